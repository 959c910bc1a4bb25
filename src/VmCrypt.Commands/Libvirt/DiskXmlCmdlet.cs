using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Libvirt;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Libvirt;

/// <summary>A command that makes a domain's disk of an image.</summary>
public abstract class DiskXmlCmdlet : ImageCmdlet
{
    /// <summary>The name by which the guest's devices are ordered.</summary>
    [Parameter(Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string Target { get; set; } = string.Empty;

    /// <summary>The address of the export that serves the image, as Unlock-Image gives it: the guest gets that, whatever the image is.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string? Uri { get; set; }

    /// <summary>Null: as the target's name suggests.</summary>
    [Parameter]
    public DiskBus? Bus { get; set; }

    /// <summary>The secret of each encrypted image, the active one first; none: the secrets that are registered for the images' paths.</summary>
    [Parameter]
    public Guid[] SecretUuid { get; set; } = [];

    [Parameter]
    public DiskCache? Cache { get; set; }

    [Parameter]
    public DiskDiscard? Discard { get; set; }

    [Parameter]
    public DiskDetectZeroes? DetectZeroes { get; set; }

    [Parameter]
    public DiskIO? IO { get; set; }

    /// <summary>The number of the domain's I/O thread.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int? IOThread { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Serial { get; set; }

    [Parameter]
    public SwitchParameter ReadOnly { get; set; }

    [Parameter]
    public SwitchParameter Shareable { get; set; }

    [Parameter]
    public ReferenceMode References { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] AllowedFolder { get; set; } = [];

    private protected override IReadOnlyList<string> Resolve(string path) => base.Resolve(Uri ?? path);

    /// <summary>The disk of one image.</summary>
    private protected DiskDefinition DiskOf(DiskLocation location)
    {
        DiskOpenOptions options = OpenOptions.OfExport(Uri) with { References = References.With(AllowedFolder, Shell) };
        ImageDescription image = Run(token => ImageInspector.DescribeAsync(location, options, token));
        var secrets = new Queue<Guid>(SecretUuid);
        return DiskOf(image.ToDisk(link => secrets.TryDequeue(out Guid uuid) ? SecretReference.To(uuid) : SecretReference.To(link.Path)));
    }

    private protected DiskDefinition DiskOf(DiskImage image) => new()
    {
        Image = image,
        Target = Target,
        Bus = Bus,
        Cache = Cache,
        Discard = Discard,
        DetectZeroes = DetectZeroes,
        IO = IO,
        IOThread = IOThread,
        Serial = Serial,
        ReadOnly = ReadOnly,
        Shareable = Shareable,
    };
}
