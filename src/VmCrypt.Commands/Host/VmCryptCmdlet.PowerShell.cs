using System.Collections.ObjectModel;
using System.Diagnostics.CodeAnalysis;
using System.Management.Automation;
using System.Management.Automation.Host;
using System.Security;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Host;

/// <summary>In PowerShell the cmdlet is its own host.</summary>
public abstract partial class VmCryptCmdlet : ICommandHost
{
    private const int ProgressActivityId = 1;

    private protected ICommandHost Shell => this;

    string ICommandHost.ParameterSet => ParameterSetName;

    bool ICommandHost.OutlivesCommand => true;

    void ICommandHost.WriteObject(object value) => WriteObject(value);

    void ICommandHost.WriteAnswer(object value, bool yes) => WriteObject(value);

    void ICommandHost.WriteError(ErrorRecord error) => WriteError(error);

    [DoesNotReturn]
    void ICommandHost.Fail(ErrorRecord error)
    {
        ThrowTerminatingError(error);
        throw new PipelineStoppedException();
    }

    void ICommandHost.WriteWarning(string text) => WriteWarning(text);

    void ICommandHost.WriteVerbose(string text) => WriteVerbose(text);

    void ICommandHost.WriteProgress(ProgressReport report)
    {
        bool over = ReferenceEquals(report, ProgressReport.Completed);
        WriteProgress(new ProgressRecord(ProgressActivityId, over ? " " : report.Activity, over ? " " : report.Status)
        {
            PercentComplete = report.Percent,
            SecondsRemaining = report.SecondsLeft,
            RecordType = over ? ProgressRecordType.Completed : ProgressRecordType.Processing,
        });
    }

    bool ICommandHost.ShouldProcess(string target, string action, bool force)
    {
        bool unasked = force && !MyInvocation.BoundParameters.ContainsKey("Confirm") && !IsWhatIf();
        return unasked || ShouldProcess(target, action);
    }

    IReadOnlyList<string> ICommandHost.ResolvePaths(string path, bool literal)
    {
        if (DiskLocation.IsNbdUri(path))
        {
            return [path];
        }

        // What exists under this very name is meant, whatever wildcards the name may seem to hold.
        if (literal || (Resolve(path) is var named && System.IO.Path.Exists(named)))
        {
            return [Resolve(path)];
        }

        try
        {
            Collection<string> found = GetResolvedProviderPathFromPSPath(path, out ProviderInfo provider);
            RequireFileSystem(path, provider);
            return found.Count > 0 ? found : throw NotFound(path);
        }
        catch (ItemNotFoundException exception)
        {
            throw NotFound(path, exception);
        }
        catch (RuntimeException exception) when (exception is not PipelineStoppedException)
        {
            throw new InvalidInputException(ErrorIds.LocationInvalid, exception.Message, exception);
        }
    }

    string ICommandHost.ResolveNewPath(string path) => DiskLocation.IsNbdUri(path) ? path : Resolve(path);

    SecureString? ICommandHost.AskSecret(string prompt)
    {
        try
        {
            Host.UI.Write($"{prompt}: ");
            return Host.UI.ReadLineAsSecureString();
        }
        catch (Exception exception) when (exception is PSInvalidOperationException or HostException or NotImplementedException)
        {
            // pwsh -NonInteractive, a background job, a remoting endpoint: nobody to ask.
            return null;
        }
    }

    object ICommandHost.AskVault(string name, string? vault)
    {
        using PowerShell shell = PowerShell.Create(RunspaceMode.CurrentRunspace);
        shell.AddCommand(@"Microsoft.PowerShell.SecretManagement\Get-Secret").AddParameter("Name", name).AddParameter("ErrorAction", ActionPreference.Stop);
        if (vault is not null)
        {
            shell.AddParameter("Vault", vault);
        }

        try
        {
            return shell.Invoke() is [{ } secret, ..] ? secret : throw new MissingException(ErrorIds.VaultSecretMissing, $"No vault has a secret '{name}'.");
        }
        catch (RuntimeException exception) when (exception is not PipelineStoppedException)
        {
            throw new MissingException(ErrorIds.VaultSecretMissing, $"SecretManagement does not give the secret '{name}': {exception.Message}", exception);
        }
    }

    private bool IsWhatIf() => MyInvocation.BoundParameters.TryGetValue("WhatIf", out object? bound)
        ? (SwitchParameter)bound
        : LanguagePrimitives.IsTrue(GetVariableValue("WhatIfPreference"));

    private string Resolve(string path)
    {
        try
        {
            string resolved = SessionState.Path.GetUnresolvedProviderPathFromPSPath(path, out ProviderInfo provider, out _);
            RequireFileSystem(path, provider);
            return resolved;
        }
        catch (RuntimeException exception) when (exception is not PipelineStoppedException)
        {
            throw new InvalidInputException(ErrorIds.LocationInvalid, exception.Message, exception);
        }
    }

    private static void RequireFileSystem(string path, ProviderInfo provider)
    {
        if (provider.Name != "FileSystem")
        {
            throw new InvalidInputException(ErrorIds.LocationInvalid, $"'{path}' lies on the provider {provider.Name}, not in the file system.");
        }
    }

    private static MissingException NotFound(string path, Exception? inner = null) =>
        new(ErrorIds.FileNotFound, $"No file matches '{path}'.", inner);
}
