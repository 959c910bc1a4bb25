using VmCrypt.Core.Luks.Luks2.Reencrypt;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>A key slot in the metadata: how a passphrase becomes the key that unlocks it, and where its key material lies.</summary>
/// <remarks>Every type has a key size and an area; <see cref="Kdf"/> and what follows belongs to the type <c>luks2</c> alone.</remarks>
internal sealed record Luks2Keyslot
{
    public const string TypeName = "luks2";
    public const string ReencryptType = "reencrypt";

    public required int Number { get; init; }

    public required string Type { get; init; }

    /// <summary>Bytes of the key that the slot holds.</summary>
    public required uint KeySize { get; init; }

    public required Luks2Area Area { get; init; }

    /// <summary>0 ignored, 1 normal, 2 preferred; other numbers are never tried.</summary>
    public required long Priority { get; init; }

    public Luks2Kdf? Kdf { get; init; }

    public Luks2Splitter? Splitter { get; init; }

    /// <summary>Of the type <see cref="ReencryptType"/>.</summary>
    public Luks2ReencryptTerms? Reencrypt { get; init; }

    public bool IsLuks2 => Type == TypeName;

    public static Luks2Keyslot Parse(int number, Luks2Members slot)
    {
        string type = slot.Text("type");
        Luks2Members area = slot.Object("area");
        var parsed = new Luks2Keyslot
        {
            Number = number,
            Type = type,
            KeySize = slot.UInt32("key_size"),
            Area = new Luks2Area(area.Text("type"), area.UInt64("offset"), area.UInt64("size")),
            Priority = slot.Has("priority") ? slot.UInt32("priority") : (long)KeySlotPriority.Normal,
        };
        return type switch
        {
            TypeName => ParseLuks2(parsed, slot, area),
            ReencryptType => parsed with { Reencrypt = Luks2ReencryptTerms.Parse(slot, area) },
            _ => parsed,
        };
    }

    private static Luks2Keyslot ParseLuks2(Luks2Keyslot slot, Luks2Members members, Luks2Members area)
    {
        Luks2Members splitter = members.Object("af");
        if (slot.Area.Type != "raw")
        {
            throw area.Invalid("type", "\"raw\"");
        }

        if (splitter.Text("type") != "luks1")
        {
            throw splitter.Invalid("type", "\"luks1\"");
        }

        return slot with
        {
            Area = slot.Area with { Cipher = area.Text("encryption"), KeySize = area.UInt32("key_size") },
            Kdf = Luks2Kdf.Parse(members.Object("kdf")),
            Splitter = new Luks2Splitter(splitter.Text("hash"), splitter.UInt32("stripes")),
        };
    }
}

/// <summary>Where a slot's key material lies, in bytes from the start of the header, and under which cipher.</summary>
/// <param name="Cipher">Of the type <c>raw</c>; may differ from the payload's.</param>
/// <param name="KeySize">Bytes of the key that a passphrase is turned into.</param>
internal sealed record Luks2Area(string Type, ulong Offset, ulong Size, string? Cipher = null, uint KeySize = 0)
{
    /// <summary>One byte behind the area; at most 2^64 - 1.</summary>
    public ulong End => Size > ulong.MaxValue - Offset ? ulong.MaxValue : Offset + Size;
}

/// <summary>The anti-forensic splitter of a slot.</summary>
internal sealed record Luks2Splitter(string Hash, uint Stripes);
