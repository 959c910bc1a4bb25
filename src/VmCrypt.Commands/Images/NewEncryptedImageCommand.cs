using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Commands.Keys;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>Makes encrypted disks.</summary>
[Cmdlet(VerbsCommon.New, "EncryptedImage", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(ImageDescription))]
public sealed class NewEncryptedImageCommand : SecretCmdlet
{
    private SecretBuffer? _newSecret;

    /// <summary>Bytes; the backing image's where there is one and this is null.</summary>
    [Parameter(Position = 1, ValueFromPipelineByPropertyName = true)]
    [Alias("VirtualSize")]
    [ByteSize]
    [ValidateRange(1L, long.MaxValue)]
    public long? Size { get; set; }

    [Parameter]
    public string? Cipher { get; set; }

    /// <summary>Bits.</summary>
    [Parameter]
    public int? KeySize { get; set; }

    [Parameter]
    public HashKind? Hash { get; set; }

    /// <summary>Milliseconds.</summary>
    [Parameter]
    [ValidateRange(1, 600_000)]
    public int? IterTime { get; set; }

    [Parameter]
    [ValidateRange(KdfCost.MinIterations, KdfCost.MaxIterations)]
    public long? Iterations { get; set; }

    /// <summary>Bytes.</summary>
    [Parameter]
    [ByteSize]
    public int? ClusterSize { get; set; }

    [Parameter]
    public Preallocation Preallocation { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? BackingFile { get; set; }

    [Parameter]
    public ImageFormat? BackingFormat { get; set; }

    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override IReadOnlyList<string> Resolve(string path) => [Shell.ResolveNewPath(path)];

    private protected override void ProcessImage(DiskLocation location)
    {
        NewDisk plan = Plan(location);
        if (!Shell.ShouldProcess(location.Text, $"Create an encrypted disk of {ByteSize.Format(plan.RoundedSize)}"))
        {
            return;
        }

        _newSecret ??= RequireNewSecret(GivenSecret()?.Copy(), "Passphrase");
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
        if (format != ImageFormat.Qcow2 && (ClusterSize ?? (object?)BackingFile) is not null)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "Only a qcow2 image has clusters and a backing file.");
        }

        if (BackingFile is null != BackingFormat is null)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter,
                "-BackingFile and -BackingFormat go together: without the format, readers would guess it from what a guest has written.");
        }

        long size = Size ?? SizeOfBacking(location)
            ?? throw new InvalidInputException(ErrorIds.MissingMandatoryParameter, "A new disk needs -Size.");
        return new NewDisk
        {
            Size = size,
            Format = format,
            Encryption = Encryptions.Of(Cipher, KeySize, Hash, KdfCosts.Of(IterTime, Iterations)),
            Preallocation = Preallocation,
            Qcow2 = format == ImageFormat.Qcow2 ? Qcow2Options(size) : null,
        };
    }

    private Qcow2CreateOptions Qcow2Options(long size)
    {
        var options = new Qcow2CreateOptions
        {
            Size = size,
            BackingPath = BackingFile,
            BackingFormat = BackingFormat?.ToString().ToLowerInvariant(),
        };
        return ClusterSize is { } bytes ? options with { ClusterSize = bytes } : options;
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
