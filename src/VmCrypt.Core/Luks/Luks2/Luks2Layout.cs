namespace VmCrypt.Core.Luks.Luks2;

/// <summary>Sizes of the format (LUKS2 specification, chapters 2 and 3) and the limits that cryptsetup gives it.</summary>
internal static class Luks2Layout
{
    /// <summary>Bytes of the binary header; the JSON area follows.</summary>
    public const int BinarySize = 4096;

    /// <summary>Key slots, tokens and segments of a header.</summary>
    public const int MaxObjects = 32;

    public const int MaxDigests = 8;

    public const int SaltLength = 32;

    /// <summary>What offsets and sizes of payloads are multiples of.</summary>
    public const int SectorSize = 512;

    /// <summary>What key slot areas, and the room for all of them, are multiples of.</summary>
    public const int AreaAlignment = 4096;

    public const long MaxKeyslotsSize = 128 << 20;

    /// <summary>In front of a new payload.</summary>
    public const long DefaultHeaderLength = 16 << 20;

    /// <summary>The sizes that one copy of the header can have, and so the offsets where the second can lie.</summary>
    public static ReadOnlySpan<int> HeaderSizes => [0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000, 0x100000, 0x200000, 0x400000];

    /// <summary>Bytes of a key slot's area for a key of <paramref name="keySize"/> bytes.</summary>
    public static long AreaLength(int keySize) => RoundUp((long)keySize * KeyMaterial.Stripes, AreaAlignment);

    public static long RoundUp(long value, long multiple) => checked(value + multiple - 1) / multiple * multiple;
}
