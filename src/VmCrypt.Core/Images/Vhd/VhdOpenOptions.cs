namespace VmCrypt.Core.Images.Vhd;

/// <summary>How a VHD file is to be opened.</summary>
public sealed record VhdOpenOptions
{
    public bool Writable { get; init; }

    /// <summary>Bytes of tables kept in memory; changed ones are written when they take half of it.</summary>
    public int TableCacheBytes { get; init; } = 4 * 1024 * 1024;
}
