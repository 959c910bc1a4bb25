namespace VmCrypt.Core.Images.Vhdx;

/// <summary>What the format allows, and where we allow less.</summary>
internal static class VhdxLimits
{
    /// <summary>Everything large stands at a multiple of this.</summary>
    public const int Alignment = 1024 * 1024;

    /// <summary>What the log and the tables are written in.</summary>
    public const int Sector = 4096;

    public const int MinBlockSize = 1024 * 1024;

    public const int MaxBlockSize = 256 * 1024 * 1024;

    public const long MaxDiskSize = 64L << 40;

    /// <summary>Sectors that one sector bitmap block speaks of: one bit each in 1 MiB.</summary>
    public const long SectorsPerBitmap = 1L << 23;

    public const int MaxTableEntries = 2047;

    public const int MaxMetadataItemBytes = 1024 * 1024;

    /// <summary>A region's length has 32 bits; no table of ours or Hyper-V's is near it.</summary>
    public const long MaxRegionBytes = 1L << 31;

    /// <summary>A log that waits for replay and is longer is refused; Hyper-V makes 1 MiB.</summary>
    public const int MaxReplayLogBytes = 16 * 1024 * 1024;

    /// <summary>Bytes that one log may zero; real logs zero a few blocks.</summary>
    public const long MaxReplayZeroBytes = 1L << 30;

    /// <summary>No file with a disk of 64 TiB, all its tables and as much waste again is longer.</summary>
    public const long MaxFileBytes = 1L << 47;
}
