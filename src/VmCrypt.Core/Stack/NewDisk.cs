using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Stack;

/// <summary>What a new disk shall be.</summary>
public sealed record NewDisk
{
    /// <summary>Bytes of the plain disk; rounded up to whole sectors, as QEMU does (of LUKS2, to the sectors that it encrypts).</summary>
    public required long Size { get; init; }

    /// <summary><see cref="ImageFormat.Qcow2"/> (LUKS inside), <see cref="ImageFormat.Raw"/> (LUKS in front), <see cref="ImageFormat.Vhdx"/> or <see cref="ImageFormat.Vhd"/> (LUKS at the start of what they show).</summary>
    public ImageFormat Format { get; init; } = ImageFormat.Qcow2;

    /// <summary>The LUKS header to make; null for a plain disk. Its placement follows from the format, and from <see cref="Over"/>.</summary>
    public LuksFormatOptions? Encryption { get; init; }

    /// <summary>Puts the LUKS header at the start of what qcow2 shows, not inside of qcow2: for LUKS2, which qcow2 does not hold. QEMU cannot open such a disk.</summary>
    public bool Over { get; init; }

    public Preallocation Preallocation { get; init; }

    /// <summary>Cluster size, compatibility, backing file and the like; only for qcow2. Size and header length are filled in.</summary>
    public Qcow2CreateOptions? Qcow2 { get; init; }

    /// <summary>Block size, sectors and parent; only for VHDX and VHD. Over a parent the disk has the parent's encryption, and none of its own.</summary>
    public VirtualDiskOptions? VirtualDisk { get; init; }

    /// <summary>Hyper-V's formats know no encryption: they hold whatever disk the guest sees, LUKS included.</summary>
    internal bool IsVirtualDisk => Format is ImageFormat.Vhdx or ImageFormat.Vhd;

    /// <summary>Bytes of the plain disk in whole sectors.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.InvalidParameter"/>.</exception>
    public long RoundedSize => Size is > 0 and <= MaxSize
        ? (Size + Sector - 1) / Sector * Sector
        : throw new InvalidInputException(ErrorIds.InvalidParameter, $"The size is {Size} bytes, but must be 1 to {MaxSize}.");

    private int Sector => Encryption?.PayloadSectorSize ?? 512;

    // Files end at 2^63 - 1 bytes; half of that leaves room for headers and tables.
    private const long MaxSize = 1L << 62;
}
