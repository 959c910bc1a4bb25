using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Commands.Qemu;

/// <summary>Makes a secret object of QEMU: in a file of its own, wrapped under a master secret, or (asked for) in the argument itself.</summary>
[Cmdlet(VerbsCommon.New, "QemuSecret", SupportsShouldProcess = true)]
[OutputType(typeof(QemuObject))]
public sealed class NewQemuSecretCommand : QemuSecretCmdlet
{
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    public string Id { get; set; } = string.Empty;

    /// <summary>The file to write the value into; null: one in the runtime folder.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? OutFile { get; set; }

    /// <summary>The master secret: 32 bytes, or their base64.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? MasterKeyFile { get; set; }

    /// <summary>The id of the master secret's object.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? MasterKeyId { get; set; }

    /// <summary>The value stands in the argument, for whoever lists processes.</summary>
    [Parameter]
    public SwitchParameter AsData { get; set; }

    /// <summary>Replace the file.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void Process()
    {
        if (MasterKeyFile is null != MasterKeyId is null)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "-MasterKeyFile and -MasterKeyId go together: the master secret, and the object that QEMU has of it.");
        }

        if ((OutFile is not null && (AsData || MasterKeyId is not null)) || (AsData && MasterKeyId is not null))
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "Choose one of -OutFile, -MasterKeyFile and -AsData.");
        }

        if (Shell.ShouldProcess(Id, AsData ? "Show the secret in an argument" : "Make a secret object"))
        {
            using SecretBuffer value = RequireValue();
            Shell.WriteObject(MasterKeyFile is not null ? Wrapped(value) : AsData ? QemuSecrets.FromData(Id, value) : InFile(value));
        }
    }

    private QemuObject Wrapped(SecretBuffer value)
    {
        using SecretBuffer master = ReadMaster(MasterKeyFile!);
        return QemuSecrets.FromWrapped(Id, QemuSecrets.Wrap(value, master), MasterKeyId!);
    }

    private QemuObject InFile(SecretBuffer value)
    {
        string path = OutFile is null ? Path.Combine(RuntimeFolder.Require(), $"{Guid.NewGuid():N}.secret") : Shell.ResolveNewPath(OutFile);
        QemuObject made = QemuSecrets.FromFile(Id, path);
        WriteFile(path, value, Force);
        return made;
    }
}
