namespace VmCrypt.Core.Images.Vhd;

/// <summary>What the format allows, and where we allow less.</summary>
internal static class VhdLimits
{
    public const int Sector = 512;

    /// <summary>2040 GiB: the table counts sectors of the file in 32 bits, and Hyper-V stops here.</summary>
    public const long MaxDiskSize = 0xFF00_0000L * Sector;

    public const int MinBlockSize = 512;

    public const int MaxBlockSize = 256 * 1024 * 1024;

    /// <summary>A disk of 2040 GiB has a million entries with the usual blocks of 2 MiB.</summary>
    public const int MaxTableEntries = 16 * 1024 * 1024;

    public const int MaxLocatorBytes = 64 * 1024;

    /// <summary>Where no further structure follows.</summary>
    public const ulong NoOffset = ulong.MaxValue;

    /// <summary>A table entry without block.</summary>
    public const uint NoBlock = uint.MaxValue;
}
