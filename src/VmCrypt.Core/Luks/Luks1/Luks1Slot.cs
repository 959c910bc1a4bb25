using System.Collections.Immutable;
using System.Security.Cryptography;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Luks.Luks1;

/// <summary>One of the eight key slots in a LUKS1 header, as stored (big-endian).</summary>
/// <remarks>
/// <code>
/// offset length field
///      0      4 state: 0x00AC71F3 active, 0x0000DEAD inactive
///      4      4 PBKDF2 iterations
///      8     32 PBKDF2 salt
///     40      4 first sector of the key material, from the start of the header
///     44      4 anti-forensic stripes
/// </code>
/// </remarks>
internal readonly record struct Luks1Slot
{
    public const int Size = 48;
    public const uint Active = 0x00AC71F3;
    public const uint Inactive = 0x0000DEAD;

    public required uint State { get; init; }

    public required uint Iterations { get; init; }

    public required ImmutableArray<byte> Salt { get; init; }

    public required uint MaterialOffsetSectors { get; init; }

    public required uint Stripes { get; init; }

    public bool IsActive => State == Active;

    public long MaterialOffset => (long)MaterialOffsetSectors * Luks1Layout.SectorSize;

    /// <summary>The slot as it becomes active, under a fresh salt.</summary>
    public Luks1Slot Filled(uint iterations) => this with
    {
        State = Active,
        Iterations = iterations,
        Salt = [.. RandomNumberGenerator.GetBytes(Luks1Layout.SaltLength)],
    };

    /// <summary>The slot without its key: what both peers write when they remove one.</summary>
    public Luks1Slot Emptied() => this with
    {
        State = Inactive,
        Iterations = 0,
        Salt = [.. new byte[Luks1Layout.SaltLength]],
    };

    public static Luks1Slot Parse(ReadOnlySpan<byte> source)
    {
        var reader = new SpanReader(source);
        return new Luks1Slot
        {
            State = reader.UInt32BigEndian(),
            Iterations = reader.UInt32BigEndian(),
            Salt = [.. reader.Bytes(Luks1Layout.SaltLength)],
            MaterialOffsetSectors = reader.UInt32BigEndian(),
            Stripes = reader.UInt32BigEndian(),
        };
    }

    public void WriteTo(Span<byte> target)
    {
        var writer = new SpanWriter(target);
        writer.UInt32BigEndian(State);
        writer.UInt32BigEndian(Iterations);
        writer.Bytes(Salt.AsSpan());
        writer.UInt32BigEndian(MaterialOffsetSectors);
        writer.UInt32BigEndian(Stripes);
    }
}
