using System.Management.Automation;
using System.Security;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Commands.KeyStore;

/// <summary>A command on a backup of the key store.</summary>
public abstract class BackupCmdlet : KeyStoreCmdlet
{
    [Parameter(Mandatory = true, Position = 0)]
    [Alias("PSPath")]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = string.Empty;

    /// <summary>The backup's own.</summary>
    [Parameter]
    public SecureString? BackupPassphrase { get; set; }

    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected SecretBuffer? GivenPassphrase() => BackupPassphrase is null ? null : SecretSource.Utf8Of(BackupPassphrase);

    private protected abstract void ProcessFile(string path);

    private protected sealed override void Process()
    {
        string path = Shell.ResolveNewPath(Path);
        Attempt(path, () => ProcessFile(path));
    }
}
