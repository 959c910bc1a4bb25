using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>Makes encrypted disks.</summary>
[Cmdlet(VerbsCommon.New, "EncryptedImage", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(ImageDescription))]
public sealed class NewEncryptedImageCommand : SecretCmdlet, IDynamicParameters
{
    private readonly NewDiskParameters _disk = new();
    private SecretBuffer? _newSecret;

    /// <summary>Bytes; the backing image's where there is one and this is null.</summary>
    [Parameter(Position = 1, ValueFromPipelineByPropertyName = true)]
    [Alias("VirtualSize")]
    [ByteSize]
    [ValidateRange(1L, long.MaxValue)]
    public long? Size { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? BackingFile { get; set; }

    [Parameter]
    public ImageFormat? BackingFormat { get; set; }

    [Parameter]
    public SwitchParameter Force { get; set; }

    public object GetDynamicParameters() => _disk;

    private protected override IReadOnlyList<string> Resolve(string path) => [Shell.ResolveNewPath(path)];

    private protected override void ProcessImage(DiskLocation location)
    {
        NewDisk plan = Plan(location);
        if (!Shell.ShouldProcess(location.Text, $"Create an encrypted disk of {ByteSize.Format(plan.RoundedSize)}"))
        {
            return;
        }

        NewImages.WarnOfReaders(plan, Shell);
        if (plan.Encryption is not null)
        {
            _newSecret ??= RequireNewSecret(GivenSecret()?.Copy(), "Passphrase", KeyFile is not null, NewImages.IsForQemu(plan));
        }

        var target = new DiskTarget { Location = location, HeaderPath = OpenOptions.HeaderPath, Replace = Force };
        Run(token => DiskFile.CreateAsync(target, plan, _newSecret, fill: null, token));
        Shell.WriteObject(Run(token => ImageInspector.DescribeAsync(location, NewImages.OpenOptions(target, plan), token)));
    }

    protected override void Dispose(bool disposing)
    {
        _newSecret?.Dispose();
        base.Dispose(disposing);
    }

    private NewDisk Plan(DiskLocation location)
    {
        ImageFormat format = Format ?? ImageFormat.Qcow2;
        if (VirtualDisks.Are(format) && BackingFile is not null)
        {
            return PlanChild(location, format);
        }

        if (format != ImageFormat.Qcow2 && BackingFile is not null)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, $"A {format} image has no backing file.");
        }

        if (BackingFile is null != BackingFormat is null)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter,
                "-BackingFile and -BackingFormat go together: without the format, readers would guess it from what a guest has written.");
        }

        long size = Size ?? SizeOfBacking(location)
            ?? throw new InvalidInputException(ErrorIds.MissingMandatoryParameter, "A new disk needs -Size.");
        NewDisk plan = _disk.Plan(size, format, _disk.Encryption(GivenVolumeKey()));
        return plan with
        {
            Qcow2 = plan.Qcow2 is null ? null : plan.Qcow2 with
            {
                BackingPath = BackingFile,
                BackingFormat = BackingFormat?.ToString().ToLowerInvariant(),
            },
        };
    }

    // A differencing disk has its parent's encryption, key slots and size.
    private NewDisk PlanChild(DiskLocation location, ImageFormat format)
    {
        if (Size is not null || _disk.NamesEncryption || OpenOptions.HeaderPath is not null || (BackingFormat ?? format) != format)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter,
                $"A differencing {format} disk has the format, size and encryption of its parent; none of its own can be given.");
        }

        var parent = DiskLocation.Parse(new ReferencePolicy(ReferenceMode.Any).Resolve(BackingFile!, location));
        var options = new DiskOpenOptions { Format = format, References = new ReferencePolicy(ReferenceMode.Any) };
        return VirtualDisks.Over(Run(token => ImageInspector.DescribeAsync(parent, options, token)), location, _disk.ClusterSize);
    }

    // The name counts from the new image's folder, as it will when the image is opened.
    private long? SizeOfBacking(DiskLocation location)
    {
        if (BackingFile is null)
        {
            return null;
        }

        var backing = DiskLocation.Parse(new ReferencePolicy(ReferenceMode.Any).Resolve(BackingFile, location));
        var options = new DiskOpenOptions { Format = BackingFormat, References = new ReferencePolicy(ReferenceMode.Any) };
        return Run(token => ImageInspector.DescribeAsync(backing, options, token)).VirtualSize;
    }
}
