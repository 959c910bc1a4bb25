using System.Collections;
using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Commands.Keys;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Conversion;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>Copies disks between formats, plain and encrypted, in any direction.</summary>
[Cmdlet(VerbsData.Convert, "Image", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(ImageDescription))]
public sealed class ConvertImageCommand : RekeyCmdlet, IDynamicParameters
{
    private readonly NewDiskParameters _disk = new();

    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    public string Destination { get; set; } = string.Empty;

    [Parameter]
    [ValidateSet(nameof(ImageFormat.Qcow2), nameof(ImageFormat.Raw), nameof(ImageFormat.Vhdx), nameof(ImageFormat.Vhd))]
    public ImageFormat DestinationFormat { get; set; } = ImageFormat.Qcow2;

    /// <summary>The new image is not encrypted.</summary>
    [Parameter]
    public SwitchParameter Plain { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? DestinationHeader { get; set; }

    /// <summary>Id or name of an internal snapshot to copy.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Snapshot { get; set; }

    [Parameter]
    public ReferenceMode References { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] AllowedFolder { get; set; } = [];

    /// <summary>The passphrases of single images of a backing chain, by path or file name.</summary>
    [Parameter]
    public Hashtable? LayerPassphrase { get; set; }

    [Parameter]
    [ByteSize]
    [ValidateRange(0L, long.MaxValue)]
    public long BytesPerSecond { get; set; }

    [Parameter]
    public SwitchParameter Force { get; set; }

    public object GetDynamicParameters() => _disk;

    private protected override void Begin()
    {
        bool secret = (NewPassphrase ?? (object?)NewKeyFile ?? DestinationHeader) is not null;
        if (Plain && (secret || _disk.NamesEncryption))
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter,
                "-Plain makes an image without encryption, so it does not go with a new secret, a header, or anything that describes one.");
        }
    }

    private protected override void ProcessImage(DiskLocation location)
    {
        DiskLocation destination = DestinationOf(location);
        if (!Shell.ShouldProcess(destination.Text, $"Copy {location} into a new {(Plain ? "plain" : "encrypted")} {DestinationFormat} image"))
        {
            return;
        }

        DiskOpenOptions opening = OpenOptions with { Snapshot = Snapshot, References = References.With(AllowedFolder, Shell) };
        using UnlockedDisk source = Unlock(location, opening, LayerPassphrase, slot: null);
        NewDisk plan = _disk.Plan(source.Device.Length, DestinationFormat, Plain ? null : _disk.Encryption());
        NewImages.WarnOfReaders(plan, Shell);
        SecretBuffer? passphrase = Plain ? null : RequireNewSecret(NewImages.IsForQemu(plan));
        var target = new DiskTarget
        {
            Location = destination,
            HeaderPath = DestinationHeader is null ? null : Shell.ResolveNewPath(DestinationHeader),
            Replace = Force,
        };
        var copying = new CopyOptions { BytesPerSecond = BytesPerSecond };
        CopyResult copied = Run((progress, token) => ImageConversion.ConvertAsync(source.Device, target, plan, passphrase, copying, progress, token));
        Shell.WriteVerbose($"{ByteSize.Format(copied.CopiedBytes)} of data, {ByteSize.Format(copied.ZeroBytes)} of zeros.");

        Shell.WriteObject(Run(token => ImageInspector.DescribeAsync(destination, NewImages.OpenOptions(target, plan), token)));
    }

    /// <summary>Several images go into a folder, each under its own name.</summary>
    private DiskLocation DestinationOf(DiskLocation source)
    {
        string path = Shell.ResolveNewPath(Destination);
        if (Directory.Exists(path))
        {
            string extension = '.' + DestinationFormat.ToString().ToLowerInvariant();
            path = System.IO.Path.Combine(path, System.IO.Path.GetFileNameWithoutExtension(source.Text) + extension);
        }

        return DiskLocation.Parse(path);
    }
}
