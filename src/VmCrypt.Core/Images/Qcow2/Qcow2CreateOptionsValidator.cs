using System.Numerics;
using System.Text;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Refuses options of a new image that are out of range or contradict each other.</summary>
internal static class Qcow2CreateOptionsValidator
{
    private const int Sector = 512;

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.Qcow2OptionsInvalid"/>, <see cref="ErrorIds.Qcow2TooLarge"/>.</exception>
    public static Qcow2Geometry Check(Qcow2CreateOptions options)
    {
        Require(options.Version is 2 or 3, $"The version is {options.Version}; 2 and 3 are possible.");
        Require(IsPower(options.ClusterSize, Qcow2Limits.MinClusterBits, Qcow2Limits.MaxClusterBits),
            $"The cluster size is {options.ClusterSize} bytes; it must be a power of two from 512 to 2 MiB.");
        Require(IsPower(options.RefcountBits, 0, Qcow2Limits.MaxRefcountOrder),
            $"The refcount width is {options.RefcountBits} bits; it must be a power of two from 1 to 64.");
        Require(options.Size >= 0 && options.Size % Sector == 0, $"The size is {options.Size} bytes; it must be a multiple of {Sector}.");
        Require(options.EncryptionHeaderLength is >= 0 and <= Qcow2Limits.MaxEncryptionHeaderBytes,
            $"The encryption header has {options.EncryptionHeaderLength} bytes; at most {Qcow2Limits.MaxEncryptionHeaderBytes} are possible.");
        CheckVersion(options);
        CheckExtendedL2(options);
        CheckNames(options);
        CheckPreallocation(options);
        var geometry = new Qcow2Geometry(BitOperations.Log2((uint)options.ClusterSize), options.RefcountBits, options.ExtendedL2);
        return geometry.L1EntriesFor(options.Size) <= Qcow2Limits.MaxL1TableBytes / sizeof(ulong)
            ? geometry
            : throw new InvalidInputException(ErrorIds.Qcow2TooLarge,
                $"A disk of {options.Size} bytes is too large for clusters of {options.ClusterSize} bytes; choose larger clusters.");
    }

    private static void CheckVersion(Qcow2CreateOptions options)
    {
        bool needsVersion3 = options.RefcountBits != 16 || options.ExtendedL2 || options.LazyRefcounts || options.DataFile is not null
            || options.CompressionType != Qcow2CompressionType.Deflate;
        Require(options.Version >= 3 || !needsVersion3,
            "Version 2 has 16-bit refcounts and deflate, and no extended L2 entries, lazy refcounts or external data file; choose version 3.");
    }

    private static void CheckExtendedL2(Qcow2CreateOptions options) =>
        Require(!options.ExtendedL2 || options.ClusterSize >= 1 << Qcow2Limits.MinExtendedClusterBits,
            $"Extended L2 entries need clusters of at least 16 KiB, not {options.ClusterSize} bytes.");

    private static void CheckNames(Qcow2CreateOptions options)
    {
        Require(options.BackingPath is null == options.BackingFormat is null,
            "A backing file needs its format beside it: readers that guess it can be fooled by what a guest writes.");
        CheckLength(options.BackingPath, Qcow2Limits.MaxBackingNameBytes, "path of the backing file");
        CheckLength(options.BackingFormat, Qcow2Limits.MaxBackingFormatBytes, "format of the backing file");
        CheckLength(options.DataFile, Qcow2Limits.MaxDataFileNameBytes, "name of the external data file");
        Require(!options.DataFileIsRaw || options.DataFile is not null, "Only an external data file can be kept raw.");
        Require(!options.DataFileIsRaw || options.BackingPath is null, "A raw external data file excludes a backing file.");
    }

    private static void CheckPreallocation(Qcow2CreateOptions options)
    {
        Require(options.Preallocation == Preallocation.Off || options.BackingPath is null || options.ExtendedL2,
            "With a backing file, preallocation needs extended L2 entries: a cluster with a place would hide the backing file.");
        Require(options.Preallocation == Preallocation.Off || options.EncryptionHeaderLength == 0 || options.Version >= 3,
            "An encrypted image of version 2 cannot be preallocated: its clusters would read as noise.");
    }

    private static void CheckLength(string? text, int limit, string what) =>
        Require(text is null || (text.Length > 0 && Encoding.UTF8.GetByteCount(text) <= limit), $"The {what} must have 1 to {limit} bytes.");

    private static bool IsPower(int value, int minBits, int maxBits) =>
        value > 0 && BitOperations.IsPow2(value) && BitOperations.Log2((uint)value) >= minBits && BitOperations.Log2((uint)value) <= maxBits;

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new InvalidInputException(ErrorIds.Qcow2OptionsInvalid, message);
        }
    }
}
