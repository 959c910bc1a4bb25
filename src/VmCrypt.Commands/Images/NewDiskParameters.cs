using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>What a new disk is to be: the parameters that the commands which make one have in common.</summary>
public sealed class NewDiskParameters : CipherParameters
{
    [Parameter]
    public LuksVersion LuksVersion { get; set; } = LuksVersion.Luks1;

    [Parameter]
    public string? Label { get; set; }

    [Parameter]
    public string? Subsystem { get; set; }

    /// <summary>Bytes of each copy of the header.</summary>
    [Parameter]
    [ByteSize]
    public long? MetadataSize { get; set; }

    /// <summary>Bytes for the areas of all key slots.</summary>
    [Parameter]
    [ByteSize]
    public long? KeyslotsSize { get; set; }

    /// <summary>The header lies at the start of what qcow2 shows, not inside of qcow2.</summary>
    [Parameter]
    public SwitchParameter Over { get; set; }

    /// <summary>Bytes; the clusters of qcow2, the blocks of VHDX and VHD.</summary>
    [Parameter]
    [Alias("BlockSizeBytes")]
    [ByteSize]
    public int? ClusterSize { get; set; }

    [Parameter]
    public Preallocation Preallocation { get; set; }

    /// <summary>Something that only an encrypted disk has was named.</summary>
    internal bool NamesEncryption =>
        LuksVersion != LuksVersion.Luks1 || Over || IsCostGiven || IsCipherGiven
        || Array.Exists([Label, Subsystem, MetadataSize, KeyslotsSize], (object? given) => given is not null);

    /// <param name="encryption">Null for a plain disk.</param>
    internal NewDisk Plan(long size, ImageFormat format, LuksFormatOptions? encryption) => new()
    {
        Size = size,
        Format = format,
        Encryption = encryption,
        Over = Over,
        Preallocation = Preallocation,
        Qcow2 = (format, ClusterSize) switch
        {
            (ImageFormat.Qcow2, { } bytes) => new Qcow2CreateOptions { Size = size, ClusterSize = bytes },
            (ImageFormat.Qcow2, null) => new Qcow2CreateOptions { Size = size },
            (ImageFormat.Vhdx or ImageFormat.Vhd, _) or (_, null) => null,
            _ => throw new InvalidInputException(ErrorIds.InvalidParameter, $"A {format} image has neither clusters nor blocks."),
        },
        VirtualDisk = VirtualDisks.Are(format) ? new VirtualDiskOptions { BlockSize = ClusterSize } : null,
    };

    /// <param name="volumeKey">Borrowed; null for a fresh one.</param>
    internal LuksFormatOptions Encryption(SecretBuffer? volumeKey = null) => Payload(volumeKey) with
    {
        Version = LuksVersion,
        Label = Label,
        Subsystem = Subsystem,
        MetadataSize = MetadataSize,
        KeyslotsSize = KeyslotsSize,
    };
}
