using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Libvirt;

namespace VmCrypt.Commands.Libvirt;

/// <summary>Writes the definition of a libvirt secret, as text.</summary>
[Cmdlet(VerbsCommon.New, "LibvirtSecretXml", DefaultParameterSetName = VolumeSet)]
[OutputType(typeof(string))]
public sealed class NewLibvirtSecretXmlCommand : VmCryptCmdlet
{
    private const string VolumeSet = "Volume";
    private const string NamedSet = "Named";

    /// <summary>The disk whose passphrase the secret holds. It need not exist on this machine.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true, ParameterSetName = VolumeSet)]
    [Alias("PSPath", "FullName")]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    [Parameter(Mandatory = true, ParameterSetName = NamedSet)]
    public SecretUsage Usage { get; set; }

    [Parameter(Mandatory = true, Position = 0, ParameterSetName = NamedSet)]
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

    private protected override void Process()
    {
        if (Shell.ParameterSet == NamedSet)
        {
            Attempt(Name, () => Write(Usage, Name));
            return;
        }

        foreach (string path in Path)
        {
            Attempt(path, () => Write(SecretUsage.Volume, Shell.ResolveNewPath(path)));
        }
    }

    private void Write(SecretUsage usage, string name)
    {
        var options = new SecretOptions
        {
            // The same on every host that gets this definition, which libvirt's own choice would not be.
            Uuid = Uuid ?? Guid.NewGuid(),
            Description = Description,
            IsEphemeral = Ephemeral,
            IsPrivate = Private,
        };
        Shell.WriteObject(new SecretDefinition(usage, name, options).ToString());
    }
}
