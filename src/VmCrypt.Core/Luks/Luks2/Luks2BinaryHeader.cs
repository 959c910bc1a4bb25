using System.Collections.Immutable;
using System.Security.Cryptography;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>The binary part of one copy of a LUKS2 header as stored (big-endian; LUKS2 specification, section 2.1).</summary>
/// <remarks>
/// <code>
/// offset length field
///      0      6 magic "LUKS" BA BE of the first copy, "SKUL" BA BE of the second
///      6      2 version, 2
///      8      8 size of this part and the JSON area; the offset of the second copy
///     16      8 sequence id, one more with every change of the header
///     24     48 label
///     72     32 checksum algorithm
///    104     64 salt, different in each copy so that storage does not merge them
///    168     40 UUID
///    208     48 subsystem
///    256      8 offset of this copy
///    264    184 zeros
///    448     64 checksum over both parts, itself taken as zeros
///    512   3584 zeros
/// </code>
/// Texts are kept as the bytes they are, so that a change of something else does not change them.
/// </remarks>
internal sealed record Luks2BinaryHeader
{
    public const int Version = 2;

    private const int LabelLength = 48;
    private const int AlgorithmLength = 32;
    private const int SaltLength = 64;
    private const int UuidLength = 40;
    private const int ChecksumOffset = 448;
    private const int ChecksumLength = 64;

    public required bool IsSecondary { get; init; }

    public required long HeaderSize { get; init; }

    public required ulong SequenceId { get; init; }

    public required ImmutableArray<byte> Label { get; init; }

    public required string ChecksumAlgorithm { get; init; }

    public required ImmutableArray<byte> Salt { get; init; }

    public required ImmutableArray<byte> Uuid { get; init; }

    public required ImmutableArray<byte> Subsystem { get; init; }

    public int JsonSize => (int)HeaderSize - Luks2Layout.BinarySize;

    /// <summary>Where this copy lies.</summary>
    public long Offset => IsSecondary ? HeaderSize : 0;

    /// <summary>A label field that holds <paramref name="text"/>.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.LabelInvalid"/>.</exception>
    public static ImmutableArray<byte> LabelOf(string text)
    {
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(text);
        if (bytes.Length >= LabelLength || bytes.AsSpan().Contains((byte)0))
        {
            throw new InvalidInputException(ErrorIds.LabelInvalid,
                $"The label has {bytes.Length} bytes, but must have at most {LabelLength - 1} and no NUL.");
        }

        Array.Resize(ref bytes, LabelLength);
        return [.. bytes];
    }

    public static ImmutableArray<byte> UuidOf(string uuid)
    {
        byte[] bytes = new byte[UuidLength];
        LuksText.Write(bytes, uuid);
        return [.. bytes];
    }

    public static ImmutableArray<byte> FreshSalt() => [.. RandomNumberGenerator.GetBytes(SaltLength)];

    /// <summary>Reads the copy that is expected at <paramref name="offset"/>; its checksum is the caller's to check.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.NotLuks"/>, <see cref="ErrorIds.LuksHeaderTruncated"/>,
    /// <see cref="ErrorIds.Luks2HeaderSizeInvalid"/>, <see cref="ErrorIds.Luks2HeaderOffsetInvalid"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LuksVersionUnsupported"/>.</exception>
    public static Luks2BinaryHeader Parse(ReadOnlySpan<byte> source, long offset)
    {
        bool secondary = offset != 0;
        if (!source.StartsWith(secondary ? SecondaryMagic : LuksHeader.Magic))
        {
            throw new InvalidImageException(ErrorIds.NotLuks, $"There is no magic of a LUKS2 header at offset {offset}.");
        }

        if (source.Length < Luks2Layout.BinarySize)
        {
            throw new InvalidImageException(ErrorIds.LuksHeaderTruncated,
                $"The device ends {source.Length} bytes after the start of a LUKS2 header at offset {offset}.");
        }

        var reader = new SpanReader(source);
        reader.Skip(LuksHeader.Magic.Length);
        ushort version = reader.UInt16BigEndian();
        if (version != Version)
        {
            throw new UnsupportedFeatureException(ErrorIds.LuksVersionUnsupported, $"The LUKS version is {version}, but must be {Version}.");
        }

        var header = new Luks2BinaryHeader
        {
            IsSecondary = secondary,
            HeaderSize = RequireSize(reader.UInt64BigEndian()),
            SequenceId = reader.UInt64BigEndian(),
            Label = [.. reader.Bytes(LabelLength)],
            ChecksumAlgorithm = LuksText.Label(reader.Bytes(AlgorithmLength)),
            Salt = [.. reader.Bytes(SaltLength)],
            Uuid = [.. reader.Bytes(UuidLength)],
            Subsystem = [.. reader.Bytes(LabelLength)],
        };
        RequireOffset(reader.UInt64BigEndian(), offset);
        RequireOffset((ulong)header.Offset, offset);
        return header;
    }

    /// <summary>Writes the whole part with a checksum of zeros.</summary>
    public void WriteTo(Span<byte> target)
    {
        target.Clear();
        var writer = new SpanWriter(target);
        writer.Bytes(IsSecondary ? SecondaryMagic : LuksHeader.Magic);
        writer.UInt16BigEndian(Version);
        writer.UInt64BigEndian((ulong)HeaderSize);
        writer.UInt64BigEndian(SequenceId);
        writer.Bytes(Label.AsSpan());
        LuksText.Write(writer.Take(AlgorithmLength), ChecksumAlgorithm);
        writer.Bytes(Salt.AsSpan());
        writer.Bytes(Uuid.AsSpan());
        writer.Bytes(Subsystem.AsSpan());
        writer.UInt64BigEndian((ulong)Offset);
    }

    /// <summary>Fills in the checksum of a copy (both parts).</summary>
    public void Seal(Span<byte> copy)
    {
        Span<byte> checksum = copy.Slice(ChecksumOffset, ChecksumLength);
        checksum.Clear();
        Digest.Hash(RequireAlgorithm(), copy, checksum);
    }

    /// <summary>Checks the checksum of a copy; only the bytes of the digest count, as for cryptsetup.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Luks2ChecksumMismatch"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.HashUnsupported"/>.</exception>
    public void RequireChecksum(ReadOnlySpan<byte> copy)
    {
        HashKind hash = RequireAlgorithm();
        byte[] unsealed = copy.ToArray();
        unsealed.AsSpan(ChecksumOffset, ChecksumLength).Clear();
        Span<byte> digest = stackalloc byte[Digest.MaxSize];
        Digest.Hash(hash, unsealed, digest);
        int size = Digest.SizeOf(hash);
        if (!digest[..size].SequenceEqual(copy.Slice(ChecksumOffset, size)))
        {
            throw new InvalidImageException(ErrorIds.Luks2ChecksumMismatch,
                $"The checksum of the LUKS2 header at offset {Offset} is {Convert.ToHexString(copy.Slice(ChecksumOffset, 4))}…, but its content gives {Convert.ToHexString(digest[..4])}….");
        }
    }

    private static ReadOnlySpan<byte> SecondaryMagic => [0x53, 0x4B, 0x55, 0x4C, 0xBA, 0xBE];

    private HashKind RequireAlgorithm() => HashKinds.TryParse(ChecksumAlgorithm, out HashKind hash)
        ? hash
        : throw new UnsupportedFeatureException(ErrorIds.HashUnsupported,
            $"The checksum of the LUKS2 header at offset {Offset} is made with '{ChecksumAlgorithm}', which is not known.");

    private static long RequireSize(ulong size) => size <= int.MaxValue && Luks2Layout.HeaderSizes.Contains((int)size)
        ? (long)size
        : throw new InvalidImageException(ErrorIds.Luks2HeaderSizeInvalid,
            $"The LUKS2 header has a size of {size} bytes, but must have one of {string.Join(", ", Luks2Layout.HeaderSizes.ToArray())}.");

    private static void RequireOffset(ulong stored, long offset)
    {
        if (stored != (ulong)offset)
        {
            throw new InvalidImageException(ErrorIds.Luks2HeaderOffsetInvalid,
                $"The LUKS2 header at offset {offset} says that it lies at {stored}.");
        }
    }
}
