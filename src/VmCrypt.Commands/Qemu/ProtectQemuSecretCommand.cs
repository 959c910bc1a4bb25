using System.Management.Automation;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Commands.Qemu;

/// <summary>Wraps a secret under a master secret, as QEMU unwraps it.</summary>
[Cmdlet(VerbsSecurity.Protect, "QemuSecret")]
[OutputType(typeof(WrappedSecret))]
public sealed class ProtectQemuSecretCommand : QemuSecretCmdlet
{
    /// <summary>The master secret: 32 bytes, or their base64.</summary>
    [Parameter(Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string MasterKeyFile { get; set; } = string.Empty;

    private protected override void Process()
    {
        using SecretBuffer master = ReadMaster(MasterKeyFile);
        using SecretBuffer value = RequireValue();
        Shell.WriteObject(QemuSecrets.Wrap(value, master));
    }
}
