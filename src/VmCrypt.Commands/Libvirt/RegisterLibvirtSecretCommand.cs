using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Libvirt;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Libvirt;

/// <summary>Gives libvirt the passphrase of an image, proven to open it, or another secret.</summary>
[Cmdlet(VerbsLifecycle.Register, "LibvirtSecret", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(LibvirtSecret))]
public sealed class RegisterLibvirtSecretCommand : UnlockingCmdlet
{
    private const string NamedSet = "Named";

    [Parameter(Mandatory = true, ParameterSetName = NamedSet)]
    public SecretUsage Usage { get; set; }

    /// <summary>The name by which definitions ask for the secret; for a volume its path on the hypervisor.</summary>
    [Parameter(Mandatory = true, ParameterSetName = NamedSet)]
    [ValidateNotNullOrEmpty]
    public string Name { get; set; } = string.Empty;

    [Parameter]
    public Guid? Uuid { get; set; }

    [Parameter]
    public string? Description { get; set; }

    [Parameter]
    public SwitchParameter Ephemeral { get; set; }

    [Parameter]
    public SwitchParameter Private { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string ConnectUri { get; set; } = LibvirtParameter.DefaultConnectUri;

    /// <summary>Replace the value of a secret that is there.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void Begin()
    {
        if (VolumeKeyFile is not null || ByToken)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "libvirt takes a passphrase; a volume key, which is what a token gives, opens no disk there.");
        }
    }

    private protected override void ProcessImage(DiskLocation location)
    {
        if (Shell.ShouldProcess(location.Text, $"Give its passphrase to libvirt ({ConnectUri})"))
        {
            using DiskKeys keys = KeysFor(location);
            if (!Run(token => KeySlots.TryAsync(location, OpenOptions, keys, token)).Opens)
            {
                throw new WrongKeyException(ErrorIds.WrongPassphrase, $"The passphrase does not open {location}, so libvirt was not given it.");
            }

            Register(SecretUsage.Volume, location.Text, keys);
        }
    }

    private protected override void End()
    {
        if (Shell.ParameterSet == NamedSet && Shell.ShouldProcess(Name, $"Give a {Usage} secret to libvirt ({ConnectUri})"))
        {
            using DiskKeys keys = RequireKeys();
            Register(Usage, Name, keys);
        }
    }

    private void Register(SecretUsage usage, string name, DiskKeys keys)
    {
        SecretBuffer secret = keys.Default!;
        if (usage == SecretUsage.Volume)
        {
            SecretPrompts.WarnOfTraps(Shell, secret, fromFile: false, forQemu: true);
        }

        var options = new SecretOptions { Uuid = Uuid, Description = Description, IsEphemeral = Ephemeral, IsPrivate = Private };
        var definition = new SecretDefinition(usage, name, options);
        Shell.WriteObject(Run(async token => await new LibvirtSecrets(ConnectUri).RegisterAsync(definition, secret, Force, token)));
    }
}
