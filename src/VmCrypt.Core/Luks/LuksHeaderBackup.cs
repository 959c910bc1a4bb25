using VmCrypt.Core.Block;

namespace VmCrypt.Core.Luks;

/// <summary>A header with its key material, apart from its disk: byte for byte what <c>cryptsetup luksHeaderBackup</c> writes.</summary>
/// <remarks>
/// LUKS1: from the header to the end of the last slot's key material, zeros up to a whole page, and zeros between the header and
/// the first slot. LUKS2: both copies and the room for all key slots.
/// </remarks>
public sealed class LuksHeaderBackup
{
    /// <summary>The pages that cryptsetup fills up.</summary>
    internal const int Page = 4096;

    private LuksHeaderBackup(LuksHeader header, byte[] bytes)
    {
        Header = header;
        Bytes = bytes;
    }

    /// <summary>The header in <see cref="Bytes"/>: what was checked is what will be written.</summary>
    public LuksHeader Header { get; }

    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>Reads the header at the start of a disk, a detached header or a backup file.</summary>
    /// <exception cref="Errors.VmCryptException">What <see cref="LuksHeader.OpenAsync"/> throws.</exception>
    public static async ValueTask<LuksHeaderBackup> ReadAsync(IBlockDevice area, LuksPlacement placement, CancellationToken cancellationToken)
    {
        LuksHeader source = await LuksHeader.OpenAsync(area, new LuksOpenOptions { Placement = placement }, cancellationToken);
        byte[] bytes = await source.CopyAsync(cancellationToken);
        var apart = new LuksOpenOptions { Placement = placement == LuksPlacement.Attached ? LuksPlacement.Detached : placement };
        return new LuksHeaderBackup(await LuksHeader.OpenAsync(new MemoryDevice(bytes, writable: false), apart, cancellationToken), bytes);
    }
}
