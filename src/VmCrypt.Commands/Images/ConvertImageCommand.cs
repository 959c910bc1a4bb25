using System.Collections;
using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Commands.Keys;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Conversion;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>Copies disks between formats, plain and encrypted, in any direction.</summary>
[Cmdlet(VerbsData.Convert, "Image", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(ImageDescription))]
public sealed class ConvertImageCommand : RekeyCmdlet
{
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    public string Destination { get; set; } = string.Empty;

    [Parameter]
    [ValidateSet(nameof(ImageFormat.Qcow2), nameof(ImageFormat.Raw))]
    public ImageFormat DestinationFormat { get; set; } = ImageFormat.Qcow2;

    /// <summary>The new image is not encrypted.</summary>
    [Parameter]
    public SwitchParameter Plain { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? DestinationHeader { get; set; }

    [Parameter]
    public string? Cipher { get; set; }

    /// <summary>Bits.</summary>
    [Parameter]
    public int? KeySize { get; set; }

    [Parameter]
    public HashKind? Hash { get; set; }

    /// <summary>Bytes.</summary>
    [Parameter]
    [ByteSize]
    public int? ClusterSize { get; set; }

    [Parameter]
    public Preallocation Preallocation { get; set; }

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

    private protected override void Begin()
    {
        object?[] ofEncryption = [NewPassphrase, NewKeyFile, DestinationHeader, Cipher, KeySize, Hash, IterTime, Iterations];
        if (Plain && Array.Exists(ofEncryption, given => given is not null))
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter,
                "-Plain makes an image without encryption, so it does not go with a new secret, a header, a cipher, key size, hash or cost.");
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
        SecretBuffer? passphrase = Plain ? null : RequireNewSecret();
        NewDisk plan = Plan(source.Device.Length);
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

    private NewDisk Plan(long size) => new()
    {
        Size = size,
        Format = DestinationFormat,
        Encryption = Plain ? null : Encryptions.Of(Cipher, KeySize, Hash, Cost),
        Preallocation = Preallocation,
        Qcow2 = (DestinationFormat, ClusterSize) switch
        {
            (ImageFormat.Qcow2, { } bytes) => new Qcow2CreateOptions { Size = size, ClusterSize = bytes },
            (_, null) => null,
            _ => throw new InvalidInputException(ErrorIds.InvalidParameter, "Only a qcow2 image has clusters."),
        },
    };

    /// <summary>Several images go into a folder, each under its own name.</summary>
    private DiskLocation DestinationOf(DiskLocation source)
    {
        string path = Shell.ResolveNewPath(Destination);
        if (Directory.Exists(path))
        {
            string extension = DestinationFormat == ImageFormat.Qcow2 ? ".qcow2" : ".raw";
            path = System.IO.Path.Combine(path, System.IO.Path.GetFileNameWithoutExtension(source.Text) + extension);
        }

        return DiskLocation.Parse(path);
    }
}
