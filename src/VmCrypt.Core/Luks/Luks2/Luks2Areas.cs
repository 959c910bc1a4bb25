namespace VmCrypt.Core.Luks.Luks2;

/// <summary>Finds room for key material between the areas in use.</summary>
internal static class Luks2Areas
{
    /// <summary>The first gap of at least <paramref name="length"/> bytes at a multiple of 4096; null where there is none.</summary>
    public static long? FindGap(Luks2Metadata metadata, long length)
    {
        long start = (long)(2 * metadata.HeaderSize);
        foreach (Luks2Area area in metadata.Keyslots.Select(slot => slot.Area).OrderBy(area => area.Offset))
        {
            if ((long)area.Offset - start >= length)
            {
                break;
            }

            start = Luks2Layout.RoundUp((long)area.End, Luks2Layout.AreaAlignment);
        }

        return (long)metadata.TotalSize - start >= length ? start : null;
    }
}
