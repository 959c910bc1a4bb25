using System.Diagnostics.CodeAnalysis;
using System.Management.Automation;
using System.Security;

namespace VmCrypt.Commands.Host;

/// <summary>The seam: all that a command says to, or asks of, whatever runs it. Called on the pipeline thread only.</summary>
/// <remarks>In PowerShell the cmdlet itself is the host (VmCryptCmdlet.PowerShell.cs); in <c>vmcrypt</c> it is ConsoleHost.</remarks>
internal interface ICommandHost
{
    /// <summary>The name of the parameter set that the arguments chose.</summary>
    string ParameterSet { get; }

    /// <summary>Whether what a command started may go on when it has returned; else the command itself must wait for the end.</summary>
    bool OutlivesCommand { get; }

    void WriteObject(object value);

    /// <summary>Emits the answer of a Test- command that is more than a boolean.</summary>
    /// <param name="yes">What it comes to; a no is an exit code of its own where there is one.</param>
    void WriteAnswer(object value, bool yes);

    /// <summary>Reports that one record failed; the command goes on with the next.</summary>
    void WriteError(ErrorRecord error);

    /// <summary>Reports that the command as a whole cannot go on, and leaves it.</summary>
    [DoesNotReturn]
    void Fail(ErrorRecord error);

    void WriteWarning(string text);

    void WriteVerbose(string text);

    void WriteProgress(ProgressReport report);

    /// <summary>Whether the change may be made: false under -WhatIf, and where the user says no to a confirmation.</summary>
    /// <param name="force">Do not ask; -WhatIf and an explicit -Confirm still count.</param>
    bool ShouldProcess(string target, string action, bool force = false);

    /// <summary>The files that <paramref name="path"/> names: wildcards are matched unless it is <paramref name="literal"/>, NBD URIs pass as they are.</summary>
    /// <exception cref="Core.Errors.VmCryptException">A wildcard or path that does not fit the host's file system.</exception>
    IReadOnlyList<string> ResolvePaths(string path, bool literal);

    /// <summary>The full path of a file that need not exist; never a wildcard.</summary>
    string ResolveNewPath(string path);

    /// <summary>Asks SecretManagement for a secret.</summary>
    /// <param name="vault">Null for the first vault that has it.</param>
    /// <exception cref="Core.Errors.MissingException"><see cref="Core.Errors.ErrorIds.VaultSecretMissing"/>: no SecretManagement, or no such secret.</exception>
    object AskVault(string name, string? vault);

    /// <summary>Asks for a secret without echo; null where nobody can be asked.</summary>
    SecureString? AskSecret(string prompt);
}
