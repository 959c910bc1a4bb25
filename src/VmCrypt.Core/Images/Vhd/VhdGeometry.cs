namespace VmCrypt.Core.Images.Vhd;

/// <summary>The cylinders, heads and sectors that a VHD footer claims, for BIOSes that still ask.</summary>
internal readonly record struct VhdGeometry(ushort Cylinders, byte Heads, byte SectorsPerTrack)
{
    /// <summary>All that a footer can say, save for the heads: beyond it the geometry means nothing.</summary>
    public const long MaxSectors = 65535L * 16 * 255;

    /// <summary>Bytes of the largest cylinder, which a geometry may leave out at the end of a disk.</summary>
    public const long LargestCylinder = 16 * 255 * VhdLimits.Sector;

    public long Sectors => (long)Cylinders * Heads * SectorsPerTrack;

    /// <summary>The geometry that the document computes for a disk; it most often holds a little less than the disk.</summary>
    public static VhdGeometry For(long diskSize)
    {
        long sectors = Math.Min(diskSize / VhdLimits.Sector, MaxSectors);
        if (sectors >= 65535L * 16 * 63)
        {
            return new VhdGeometry((ushort)(sectors / 255 / 16), 16, 255);
        }

        long tracks = sectors / 17;
        long heads = Math.Max(4, (tracks + 1023) / 1024);
        if (tracks < heads * 1024 && heads <= 16)
        {
            return new VhdGeometry((ushort)(tracks / heads), (byte)heads, 17);
        }

        int perTrack = sectors / 31 < 16 * 1024 ? 31 : 63;
        return new VhdGeometry((ushort)(sectors / perTrack / 16), 16, (byte)perTrack);
    }
}
