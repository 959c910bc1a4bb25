namespace VmCrypt.Core.Images.Qcow2;

/// <summary>What we accept of an image before anything is allocated or read for it; QEMU's own limits where it has some.</summary>
internal static class Qcow2Limits
{
    public const int MinClusterBits = 9;

    public const int MaxClusterBits = 21;

    /// <summary>Extended L2 entries divide a cluster into 32, none smaller than a sector.</summary>
    public const int MinExtendedClusterBits = 14;

    public const int MaxRefcountOrder = 6;

    public const int MaxL1TableBytes = 32 * 1024 * 1024;

    public const int MaxRefcountTableBytes = 8 * 1024 * 1024;

    public const int MaxBackingNameBytes = 1023;

    public const int MaxBackingFormatBytes = 15;

    public const int MaxDataFileNameBytes = 1023;

    public const int MaxSnapshots = 65536;

    public const int MaxSnapshotTableBytes = 1024 * MaxSnapshots;

    public const int MaxSnapshotExtraBytes = 1024;

    public const int MaxBitmaps = 65535;

    public const int MaxBitmapDirectoryBytes = 64 * 1024 * 1024;

    public const int MaxBitmapNameBytes = 1023;

    public const int MaxBitmapTableBytes = 128 * 1024 * 1024;

    /// <summary>A LUKS1 header with its eight slots takes 2 MiB; this leaves room for wide alignments.</summary>
    public const int MaxEncryptionHeaderBytes = 64 * 1024 * 1024;

    /// <summary>Table entries hold 56 bits of a host offset.</summary>
    public const long MaxHostOffset = 1L << 56;
}
