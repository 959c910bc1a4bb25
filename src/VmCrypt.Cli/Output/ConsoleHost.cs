using System.Diagnostics.CodeAnalysis;
using System.IO.Enumeration;
using System.Management.Automation;
using System.Security;
using VmCrypt.Cli.Binding;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Cli.Output;

/// <summary>What a command sees of the terminal, the pipe or the log that it runs on.</summary>
internal sealed class ConsoleHost(CommandInfo command, CommonParameters common, ObjectWriter objects, ProgressBar progress, Terminal terminal) : ICommandHost
{
    public string ParameterSet { get; set; } = string.Empty;

    /// <summary>Whether any error was reported, shown or not.</summary>
    public bool Failed { get; private set; }

    /// <summary>Whether the last answer of a Test- command was no.</summary>
    public bool AnsweredNo { get; private set; }

    public bool OutlivesCommand => false;

    public void WriteAnswer(object value, bool yes)
    {
        AnsweredNo |= !yes;
        WriteObject(value);
    }

    public void WriteObject(object value)
    {
        AnsweredNo |= value is false or IAnswer { IsYes: false };
        progress.Clear();
        objects.Write(value, quoteTexts: common.Json);
    }

    public void WriteError(ErrorRecord error)
    {
        if (common.ErrorAction == ErrorAction.Stop)
        {
            Fail(error);
        }

        Failed = true;
        if (common.ErrorAction == ErrorAction.Continue)
        {
            Print($"vmcrypt: {error.FullyQualifiedErrorId}: {error.Exception.Message}");
        }
    }

    [DoesNotReturn]
    public void Fail(ErrorRecord error)
    {
        Failed = true;
        Print($"vmcrypt: {error.FullyQualifiedErrorId}: {error.Exception.Message}");
        throw new CommandFailedException();
    }

    public void WriteWarning(string text) => Print($"warning: {text}");

    public void WriteVerbose(string text)
    {
        if (common.Verbose)
        {
            Print(text);
        }
    }

    public void WriteProgress(ProgressReport report) => progress.Show(report);

    public bool ShouldProcess(string target, string action, bool force = false)
    {
        if (common.WhatIf)
        {
            Print($"What if: {action} on {target}");
            return false;
        }

        bool asked = common.Confirm is { } explicitly ? explicitly.IsPresent : !force && command.Cmdlet.ConfirmImpact == ConfirmImpact.High;
        if (!asked)
        {
            return true;
        }

        Flush();
        return terminal.AskYesNo($"{action} on {target}?")
            ?? throw new RefusedException(ErrorIds.ConfirmationRequired,
                $"{action} on {target} wants a confirmation, and there is no terminal to ask on; give -Confirm:$false.");
    }

    public IReadOnlyList<string> ResolvePaths(string path, bool literal)
    {
        // The user's own shell has matched its wildcards already: what exists under this very name is meant.
        if (literal || DiskLocation.IsNbdUri(path) || Path.Exists(path) || path.AsSpan().IndexOfAny('*', '?') < 0)
        {
            return [ResolveNewPath(path)];
        }

        string full = Path.GetFullPath(path);
        string folder = Path.GetDirectoryName(full) ?? full;
        string pattern = Path.GetFileName(full);
        string[] found = Directory.Exists(folder)
            ? [.. Directory.EnumerateFiles(folder).Where(file => FileSystemName.MatchesSimpleExpression(pattern, Path.GetFileName(file))).Order(StringComparer.Ordinal)]
            : [];
        return found.Length > 0 ? found : throw new MissingException(ErrorIds.FileNotFound, $"No file matches '{path}'.");
    }

    public string ResolveNewPath(string path) => DiskLocation.IsNbdUri(path) ? path : Path.GetFullPath(path);

    public SecureString? AskSecret(string prompt)
    {
        Flush();
        return terminal.AskSecret(prompt);
    }

    public object AskVault(string name, string? vault) => throw new MissingException(ErrorIds.VaultSecretMissing,
        $"vmcrypt has no SecretManagement to ask for '{name}'; PowerShell has, and -StoredKey takes secrets from this host's key store in both.");

    /// <summary>Brings to the screen what has been held back.</summary>
    public void Flush()
    {
        progress.Clear();
        objects.Flush();
    }

    private void Print(string text)
    {
        Flush();
        terminal.Error.WriteLine(text);
    }
}

/// <summary>The command has said why it ends.</summary>
internal sealed class CommandFailedException : Exception;
