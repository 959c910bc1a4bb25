namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Who does not know one of these must not open the image.</summary>
[Flags]
public enum Qcow2Incompatible : ulong
{
    None = 0,

    /// <summary>Refcounts may be wrong (lazy refcounts and no clean close).</summary>
    Dirty = 1 << 0,

    /// <summary>Any structure may be wrong; not to be written.</summary>
    Corrupt = 1 << 1,

    /// <summary>Guest data is in another file.</summary>
    ExternalDataFile = 1 << 2,

    /// <summary>Compressed clusters are not deflate.</summary>
    CompressionType = 1 << 3,

    /// <summary>L2 entries have 128 bits and divide a cluster into 32 subclusters.</summary>
    ExtendedL2 = 1 << 4,

    /// <summary>Ours: a conversion in place is under way, and the header is one sector that points to its journal.</summary>
    Conversion = 1UL << 62,
}

/// <summary>Who does not know one of these may ignore it.</summary>
[Flags]
public enum Qcow2Compatible : ulong
{
    None = 0,

    /// <summary>Refcounts may be written late while <see cref="Qcow2Incompatible.Dirty"/> is set.</summary>
    LazyRefcounts = 1 << 0,
}

/// <summary>Who does not know one of these clears it before the first write.</summary>
[Flags]
public enum Qcow2Autoclear : ulong
{
    None = 0,

    /// <summary>The bitmaps extension is consistent.</summary>
    Bitmaps = 1 << 0,

    /// <summary>The external data file is a raw image by itself.</summary>
    RawExternalData = 1 << 1,
}

/// <summary>Which bit field of the header a feature belongs to; the numbers are those of the feature name table.</summary>
public enum Qcow2FeatureKind : byte
{
    Incompatible = 0,
    Compatible = 1,
    Autoclear = 2,
}

/// <summary>The features that we know, by the names that QEMU writes into the feature name table.</summary>
internal static class Qcow2Features
{
    public const Qcow2Incompatible KnownIncompatible = Qcow2Incompatible.Dirty | Qcow2Incompatible.Corrupt
        | Qcow2Incompatible.ExternalDataFile | Qcow2Incompatible.CompressionType | Qcow2Incompatible.ExtendedL2;

    public const Qcow2Autoclear KnownAutoclear = Qcow2Autoclear.Bitmaps | Qcow2Autoclear.RawExternalData;

    /// <summary>In the header only while a conversion is under way, so that others can say why they refuse the image.</summary>
    public static Qcow2FeatureName Conversion { get; } = new(Qcow2FeatureKind.Incompatible, 62, "unfinished conversion in place by VmCrypt");

    public static IReadOnlyList<Qcow2FeatureName> Known { get; } =
    [
        new(Qcow2FeatureKind.Incompatible, 0, "dirty bit"),
        new(Qcow2FeatureKind.Incompatible, 1, "corrupt bit"),
        new(Qcow2FeatureKind.Incompatible, 2, "external data file"),
        new(Qcow2FeatureKind.Incompatible, 3, "compression type"),
        new(Qcow2FeatureKind.Incompatible, 4, "extended L2 entries"),
        new(Qcow2FeatureKind.Compatible, 0, "lazy refcounts"),
        new(Qcow2FeatureKind.Autoclear, 0, "bitmaps"),
        new(Qcow2FeatureKind.Autoclear, 1, "raw external data"),
    ];

    /// <summary>The names of all set bits: ours, else the image's own feature name table, else the number of the bit.</summary>
    public static string[] Names(Qcow2FeatureKind kind, ulong bits, IReadOnlyList<Qcow2FeatureName> imageNames)
    {
        var names = new List<string>();
        for (byte bit = 0; bit < 64; bit++)
        {
            if ((bits >> bit & 1) != 0)
            {
                Qcow2FeatureName? named = Known.Concat(imageNames).FirstOrDefault(name => name.Kind == kind && name.Bit == bit);
                names.Add(named?.Name ?? $"bit {bit}");
            }
        }

        return [.. names];
    }
}
