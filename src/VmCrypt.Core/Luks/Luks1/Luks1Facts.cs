namespace VmCrypt.Core.Luks.Luks1;

/// <summary>A LUKS1 header in words; works on values that no validator has seen.</summary>
internal static class Luks1Facts
{
    public static LuksFacts Describe(this in Luks1Header header)
    {
        Luks1Header source = header;
        return new LuksFacts(
            LuksVersion.Luks1,
            header.Uuid,
            $"{header.CipherName}-{header.CipherMode}",
            header.KeyBytes,
            header.HashSpec,
            header.DigestIterations,
            header.PayloadOffset,
            Luks1Layout.SectorSize,
            [.. header.Slots.Select((slot, number) => Describe(source, slot, number))])
        {
            KeyMark = Convert.ToBase64String(header.DigestSalt.AsSpan()),
        };
    }

    private static KeySlotFacts Describe(in Luks1Header header, Luks1Slot slot, int number) => new()
    {
        Number = number,
        IsActive = slot.IsActive,
        Kdf = "pbkdf2",
        Iterations = slot.Iterations,
        Hash = header.HashSpec,
        Stripes = slot.Stripes,
        AreaOffset = slot.MaterialOffset,
        AreaLength = Luks1Layout.MaterialSectors(header.KeyBytes) * Luks1Layout.SectorSize,
    };
}
