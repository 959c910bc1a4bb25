using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks1;

/// <summary>Where cryptsetup and QEMU put things; the "formula" of the LUKS1 specification is not what either does.</summary>
internal static class Luks1Layout
{
    public const int SectorSize = KeyMaterial.SectorSize;
    public const int SlotCount = 8;
    public const int SaltLength = 32;
    public const int DigestLength = 20;

    /// <summary>The only number of stripes that either peer accepts, in inactive slots too.</summary>
    public const int Stripes = KeyMaterial.Stripes;

    /// <summary>cryptsetup's maximum, 32768 bits; key material then takes 16 MB a slot.</summary>
    public const int MaxKeyBytes = 4096;

    private const int AlignmentSectors = 8;

    /// <summary>Sectors of one slot's key material, the last one filled up.</summary>
    public static long MaterialSectors(long keyBytes) => ((keyBytes * Stripes) + SectorSize - 1) / SectorSize;

    /// <summary>Sector where a slot's key material starts; for slot 8, where all of it ends.</summary>
    public static long SlotStartSectors(int slot, int keyBytes) =>
        AlignmentSectors + (slot * RoundUp(MaterialSectors(keyBytes), AlignmentSectors));

    /// <summary>Bytes in front of an attached payload, or the whole of a detached or embedded header.</summary>
    public static long HeaderLength(LuksFormatOptions options)
    {
        if (options.KeySize is < 1 or > MaxKeyBytes)
        {
            throw new InvalidInputException(ErrorIds.KeySizeInvalid,
                $"The key size is {options.KeySize} bytes, but must be 1 to {MaxKeyBytes}.");
        }

        long end = SlotStartSectors(SlotCount, options.KeySize) * SectorSize;
        return options.Placement == LuksPlacement.Attached ? options.AlignPayload(end) : end;
    }

    private static long RoundUp(long value, long multiple) => (value + multiple - 1) / multiple * multiple;
}
