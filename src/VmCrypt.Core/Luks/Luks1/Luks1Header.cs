using System.Collections.Immutable;
using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks1;

/// <summary>A LUKS1 header as stored (big-endian; LUKS1 specification 1.2.3, figure 1). Says nothing about whether its values fit together.</summary>
/// <remarks>
/// <code>
/// offset length field
///      0      6 magic "LUKS" BA BE
///      6      2 version, 1
///      8     32 cipher name, NUL-terminated
///     40     32 cipher mode, NUL-terminated
///     72     32 hash, NUL-terminated
///    104      4 first sector of the payload; 0 in a detached header
///    108      4 bytes of the volume key
///    112     20 digest of the volume key (PBKDF2)
///    132     32 salt of the digest
///    164      4 iterations of the digest
///    168     40 UUID, NUL-terminated text
///    208   8×48 key slots, see <see cref="Luks1Slot"/>
/// </code>
/// </remarks>
internal readonly record struct Luks1Header
{
    public const int Size = 592;
    public const int Version = 1;

    private const int TextLength = 32;
    private const int UuidLength = 40;
    private const int SlotsOffset = 208;

    public required string CipherName { get; init; }

    public required string CipherMode { get; init; }

    public required string HashSpec { get; init; }

    public required uint PayloadOffsetSectors { get; init; }

    public required uint KeyBytes { get; init; }

    public required ImmutableArray<byte> Digest { get; init; }

    public required ImmutableArray<byte> DigestSalt { get; init; }

    public required uint DigestIterations { get; init; }

    public required string Uuid { get; init; }

    public required ImmutableArray<Luks1Slot> Slots { get; init; }

    public long PayloadOffset => (long)PayloadOffsetSectors * Luks1Layout.SectorSize;

    /// <summary>Where the entry of a slot stands in the header.</summary>
    public static int SlotOffset(int slot) => SlotsOffset + (slot * Luks1Slot.Size);

    public Luks1Header With(int slot, Luks1Slot entry) => this with { Slots = Slots.SetItem(slot, entry) };

    public static async ValueTask<Luks1Header> ReadAsync(IBlockDevice area, CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[Math.Min(Size, area.Length)];
        await area.ReadAsync(0, bytes, cancellationToken);
        return Parse(bytes);
    }

    public static Luks1Header Parse(ReadOnlySpan<byte> source)
    {
        if (!source.StartsWith(LuksHeader.Magic))
        {
            throw new InvalidImageException(ErrorIds.NotLuks, "The device does not start with the LUKS magic.");
        }

        if (source.Length < Size)
        {
            throw new InvalidImageException(ErrorIds.LuksHeaderTruncated,
                $"The device ends after {source.Length} bytes, inside the LUKS1 header of {Size} bytes.");
        }

        var reader = new SpanReader(source);
        reader.Skip(LuksHeader.Magic.Length);
        ushort version = reader.UInt16BigEndian();
        if (version != Version)
        {
            throw new UnsupportedFeatureException(ErrorIds.LuksVersionUnsupported, $"The LUKS version is {version}, but must be {Version}.");
        }

        return new Luks1Header
        {
            CipherName = Text(reader.Bytes(TextLength), "cipher name", ErrorIds.Luks1CipherNameInvalid),
            CipherMode = Text(reader.Bytes(TextLength), "cipher mode", ErrorIds.Luks1CipherModeInvalid),
            HashSpec = Text(reader.Bytes(TextLength), "hash", ErrorIds.Luks1HashSpecInvalid),
            PayloadOffsetSectors = reader.UInt32BigEndian(),
            KeyBytes = reader.UInt32BigEndian(),
            Digest = [.. reader.Bytes(Luks1Layout.DigestLength)],
            DigestSalt = [.. reader.Bytes(Luks1Layout.SaltLength)],
            DigestIterations = reader.UInt32BigEndian(),
            Uuid = LuksText.Label(reader.Bytes(UuidLength)),
            Slots = ParseSlots(reader.Bytes(Luks1Layout.SlotCount * Luks1Slot.Size)),
        };
    }

    public void WriteTo(Span<byte> target)
    {
        var writer = new SpanWriter(target);
        writer.Bytes(LuksHeader.Magic);
        writer.UInt16BigEndian(Version);
        LuksText.Write(writer.Take(TextLength), CipherName);
        LuksText.Write(writer.Take(TextLength), CipherMode);
        LuksText.Write(writer.Take(TextLength), HashSpec);
        writer.UInt32BigEndian(PayloadOffsetSectors);
        writer.UInt32BigEndian(KeyBytes);
        writer.Bytes(Digest.AsSpan());
        writer.Bytes(DigestSalt.AsSpan());
        writer.UInt32BigEndian(DigestIterations);
        LuksText.Write(writer.Take(UuidLength), Uuid);
        foreach (Luks1Slot slot in Slots)
        {
            slot.WriteTo(writer.Take(Luks1Slot.Size));
        }
    }

    public byte[] ToBytes()
    {
        byte[] bytes = new byte[Size];
        WriteTo(bytes);
        return bytes;
    }

    private static ImmutableArray<Luks1Slot> ParseSlots(ReadOnlySpan<byte> source)
    {
        var slots = ImmutableArray.CreateBuilder<Luks1Slot>(Luks1Layout.SlotCount);
        for (; !source.IsEmpty; source = source[Luks1Slot.Size..])
        {
            slots.Add(Luks1Slot.Parse(source));
        }

        return slots.MoveToImmutable();
    }

    private static string Text(ReadOnlySpan<byte> field, string name, string errorId)
    {
        int end = field.IndexOf((byte)0);
        return end > 0 && !field[..end].ContainsAnyExceptInRange((byte)'!', (byte)'~')
            ? Encoding.ASCII.GetString(field[..end])
            : throw new InvalidImageException(errorId,
                $"The {name} of the LUKS1 header is '{LuksText.Label(field)}', but must be printable text that ends with a NUL.");
    }
}
