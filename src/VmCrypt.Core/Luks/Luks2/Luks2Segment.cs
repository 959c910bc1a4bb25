using System.Collections.Immutable;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>A range of the payload's device and what is done with it.</summary>
/// <param name="Offset">Bytes.</param>
/// <param name="Size">Bytes; null to the end of the device.</param>
/// <param name="Crypt">Of the type <c>crypt</c>.</param>
internal sealed record Luks2Segment(int Number, string Type, ulong Offset, ulong? Size, ImmutableArray<string> Flags, Luks2Crypt? Crypt)
{
    public const string CryptType = "crypt";
    public const string LinearType = "linear";

    /// <summary>A copy for the time of a re-encryption: how the device was, or how it will be.</summary>
    public bool IsBackup => Flags.Any(flag => flag.StartsWith("backup-", StringComparison.Ordinal));

    public bool Is(string flag) => Flags.Contains(flag);

    public static Luks2Segment Parse(int number, Luks2Members segment)
    {
        string type = segment.Text("type");
        ulong offset = segment.UInt64("offset");
        ulong? size = segment.Text("size") == "dynamic" ? null : segment.UInt64("size");
        ImmutableArray<string> flags = segment.Texts("flags");
        bool encrypts = type is CryptType or "hw-opal-crypt";
        return new Luks2Segment(number, type, offset, size, flags, encrypts ? Luks2Crypt.Parse(segment) : null);
    }

    /// <summary>Both do the same with their bytes, wherever those lie.</summary>
    public bool DoesAs(Luks2Segment other) =>
        Type == other.Type && Crypt?.Cipher == other.Crypt?.Cipher && Crypt?.SectorSize == other.Crypt?.SectorSize;
}

/// <summary>How a segment is encrypted.</summary>
/// <param name="IvTweak">Added to every sector number, in 512-byte units.</param>
/// <param name="Integrity">The kind of authentication tags; null for none.</param>
internal sealed record Luks2Crypt(string Cipher, uint SectorSize, ulong IvTweak, string? Integrity)
{
    public static Luks2Crypt Parse(Luks2Members segment)
    {
        ulong tweak = segment.UInt64("iv_tweak");
        string cipher = segment.Text("encryption");
        uint sectorSize = segment.UInt32("sector_size");
        return new Luks2Crypt(cipher, sectorSize, tweak, ParseIntegrity(segment));
    }

    private static string? ParseIntegrity(Luks2Members segment)
    {
        if (!segment.Has("integrity"))
        {
            return null;
        }

        Luks2Members integrity = segment.Object("integrity");
        _ = integrity.Text("journal_encryption");
        _ = integrity.Text("journal_integrity");
        return integrity.Text("type");
    }
}
