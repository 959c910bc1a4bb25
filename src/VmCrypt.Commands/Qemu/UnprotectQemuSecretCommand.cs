using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Commands.Qemu;

/// <summary>Unwraps a secret into a file that is its owner's alone.</summary>
[Cmdlet(VerbsSecurity.Unprotect, "QemuSecret", SupportsShouldProcess = true)]
[OutputType(typeof(FileInfo))]
public sealed class UnprotectQemuSecretCommand : VmCryptCmdlet
{
    /// <summary>The wrapped secret, in base64.</summary>
    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string Data { get; set; } = string.Empty;

    /// <summary>In base64.</summary>
    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string InitialVector { get; set; } = string.Empty;

    /// <summary>The master secret: 32 bytes, or their base64.</summary>
    [Parameter(Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string MasterKeyFile { get; set; } = string.Empty;

    [Parameter(Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string OutFile { get; set; } = string.Empty;

    /// <summary>Replace the file.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void Process()
    {
        string path = Shell.ResolveNewPath(OutFile);
        if (Shell.ShouldProcess(path, "Write the secret into a file"))
        {
            using SecretBuffer master = QemuSecretCmdlet.ReadMaster(Shell, MasterKeyFile);
            using SecretBuffer value = QemuSecrets.Unwrap(new WrappedSecret(Data, InitialVector), master);
            QemuSecretCmdlet.WriteFile(path, value, Force);
            Shell.WriteObject(new FileInfo(path));
        }
    }
}
