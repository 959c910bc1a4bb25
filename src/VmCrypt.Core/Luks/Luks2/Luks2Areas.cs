namespace VmCrypt.Core.Luks.Luks2;

/// <summary>Finds room for key material between the areas in use.</summary>
internal static class Luks2Areas
{
    /// <summary>The start of the first gap of at least <paramref name="length"/> bytes, a multiple of 4096; null where there is none.</summary>
    public static long? FindGap(Luks2Metadata metadata, long length) =>
        Gaps(metadata).Where(gap => gap.Length >= length).Select(gap => (long?)gap.Offset).FirstOrDefault();

    /// <summary>What lies between the areas in use, from multiples of 4096 on, in order.</summary>
    public static IEnumerable<(long Offset, long Length)> Gaps(Luks2Metadata metadata)
    {
        long start = (long)(2 * metadata.HeaderSize);
        foreach (Luks2Area area in metadata.Keyslots.Select(slot => slot.Area).OrderBy(area => area.Offset))
        {
            if ((long)area.Offset > start)
            {
                yield return (start, (long)area.Offset - start);
            }

            start = Luks2Layout.RoundUp((long)area.End, Luks2Layout.AreaAlignment);
        }

        if ((long)metadata.TotalSize > start)
        {
            yield return (start, (long)metadata.TotalSize - start);
        }
    }
}
