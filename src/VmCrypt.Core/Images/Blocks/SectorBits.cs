namespace VmCrypt.Core.Images.Blocks;

/// <summary>Bitmaps of sectors: VHDX counts from the lowest bit of a byte, VHD from the highest.</summary>
/// <param name="HighestFirst">Sector 0 is bit 7.</param>
internal readonly record struct SectorBits(bool HighestFirst)
{
    /// <summary>How many bits from <paramref name="first"/> on are alike, at most <paramref name="most"/>.</summary>
    public SectorRun Run(ReadOnlySpan<byte> bitmap, int first, int most)
    {
        bool present = IsSet(bitmap, first);
        byte alike = present ? byte.MaxValue : byte.MinValue;
        int end = first + most;
        int at = first + 1;
        while (at < end)
        {
            if ((at & 7) == 0 && bitmap[at >> 3] == alike)
            {
                at += 8;
            }
            else if (IsSet(bitmap, at) == present)
            {
                at++;
            }
            else
            {
                break;
            }
        }

        return new SectorRun(present, Math.Min(at, end) - first);
    }

    public void Fill(Span<byte> bitmap, int first, int count, bool value)
    {
        for (int at = first, end = first + count; at < end;)
        {
            if ((at & 7) == 0 && end - at >= 8)
            {
                int bytes = (end - at) / 8;
                bitmap.Slice(at >> 3, bytes).Fill(value ? byte.MaxValue : byte.MinValue);
                at += bytes * 8;
                continue;
            }

            byte mask = MaskOf(at);
            bitmap[at >> 3] = (byte)(value ? bitmap[at >> 3] | mask : bitmap[at >> 3] & ~mask);
            at++;
        }
    }

    private bool IsSet(ReadOnlySpan<byte> bitmap, int at) => (bitmap[at >> 3] & MaskOf(at)) != 0;

    private byte MaskOf(int at) => (byte)(HighestFirst ? 0x80 >> (at & 7) : 1 << (at & 7));
}
