using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks;

/// <summary>Writes a header with its key material over whatever stands there.</summary>
/// <remarks>
/// <para>LUKS1: (1) all behind the first sector, flush; (2) the first sector, flush. LUKS2: (1) the key slots, flush; (2) the second
/// copy, flush; (3) the first copy behind its first sector, flush; (4) the first sector, flush. Then all of it is read back.</para>
/// <para>A crash before the first sector is written leaves there what stood there before, so that the restoration can be begun again
/// just as it was; where the disk was whole, LUKS2 opens at every moment, by the old state of the slots' metadata or by the new one.
/// Nothing is cancelled between the writes.</para>
/// </remarks>
internal static class LuksHeaderRestore
{
    private const int Sector = KeyMaterial.SectorSize;

    /// <summary>Refuses a place that the header does not fit, before anything is written.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.LuksAreaTooSmall"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.HeaderBackupLayoutDiffers"/>.</exception>
    public static void RequireFits(IBlockDevice area, LuksPlacement placement, LuksHeader backup)
    {
        bool grows = placement == LuksPlacement.Detached && area.Traits.CanResize;
        if (area.Length < backup.HeaderLength && !grows)
        {
            throw new InvalidInputException(ErrorIds.LuksAreaTooSmall,
                $"The header has {backup.HeaderLength} bytes, but there is room for {area.Length} only.");
        }

        LuksPayload payload = backup.Payload;
        if (placement == LuksPlacement.Attached && (payload.Offset == 0 || payload.Offset > area.Length || payload.Length > area.Length - payload.Offset))
        {
            throw new RefusedException(ErrorIds.HeaderBackupLayoutDiffers,
                $"The backup says that the payload starts at byte {payload.Offset}, which does not lie behind the header on a device of {area.Length} bytes.");
        }
    }

    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.LuksHeaderNotStored"/>.</exception>
    public static async ValueTask WriteAsync(IBlockDevice area, LuksPlacement placement, LuksHeaderBackup backup)
    {
        BlockGuard.Writable(area);
        RequireFits(area, placement, backup.Header);
        if (area.Length < backup.Header.HeaderLength)
        {
            await area.SetLengthAsync(backup.Header.HeaderLength, CancellationToken.None);
        }

        ReadOnlyMemory<byte> bytes = backup.Bytes[..(int)backup.Header.HeaderLength];
        foreach (Range part in Parts(backup.Header))
        {
            (int offset, int length) = part.GetOffsetAndLength(bytes.Length);
            await area.WriteAsync(offset, bytes[part], CancellationToken.None);
            await area.FlushAsync(CancellationToken.None);
        }

        byte[] stored = new byte[bytes.Length];
        await area.ReadAsync(0, stored, CancellationToken.None);
        if (!stored.AsSpan().SequenceEqual(bytes.Span))
        {
            throw new DeviceFaultException(ErrorIds.LuksHeaderNotStored,
                "The header was written, but the device does not return what was written; restore it again, on another device if need be.");
        }
    }

    // In the order in which they are written.
    private static Range[] Parts(LuksHeader header)
    {
        if (header.Version == LuksVersion.Luks1)
        {
            return [Sector.., 0..Sector];
        }

        int copy = (int)header.CopyLength;
        return [(2 * copy).., copy..(2 * copy), Sector..copy, 0..Sector];
    }
}
