using System.Security.Cryptography;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Images.Qcow2.InPlace;

/// <summary>How far a conversion is: one sector of its journal, which has two of them that are written in turns.</summary>
/// <remarks>
/// Big-endian: magic 0 ("VMCJRNL1"), sequence 8, mode 16 (one byte), resilience 17, finished 18, end of the guests' clusters 24, done 32,
/// hot zone 40 and its length 48, LUKS header before 56 and its length 64, after 72 and its length 80, SHA-256 of the zone's record 88,
/// SHA-256 of both header clusters 120, HMAC-SHA256 of all before by both keys 152, SHA-256 of all before 184.
/// </remarks>
internal sealed record ConversionState
{
    public const int Size = 216;
    public const int MacOffset = 152;

    private const ulong Magic = 0x564D434A524E4C31;
    private const int HashSize = 32;

    public ulong Sequence { get; init; }

    /// <summary>What is done, by the number of its name.</summary>
    public required byte Mode { get; init; }

    /// <summary>How zones are protected, likewise.</summary>
    public required byte Resilience { get; init; }

    /// <summary>Every cluster is converted; what is left over is not destroyed yet.</summary>
    public bool IsFinished { get; init; }

    /// <summary>Bytes of the file when the conversion began: behind them lies nothing to be converted.</summary>
    public required long End { get; init; }

    public long Done { get; init; }

    public long HotOffset { get; init; }

    /// <summary>0 where no zone is at work.</summary>
    public long HotLength { get; init; }

    public Qcow2EncryptionHeader? Before { get; init; }

    public Qcow2EncryptionHeader? After { get; init; }

    public byte[] RecordHash { get; init; } = new byte[HashSize];

    public required byte[] HeadersHash { get; init; }

    public byte[] Mac { get; init; } = new byte[HashSize];

    /// <summary>The state in a sector; null where there is none, or a torn one.</summary>
    public static ConversionState? TryParse(ReadOnlySpan<byte> source)
    {
        var reader = new SpanReader(source);
        if (source.Length < Size || reader.UInt64BigEndian() != Magic
            || !SHA256.HashData(source[..(Size - HashSize)]).AsSpan().SequenceEqual(source[(Size - HashSize)..Size]))
        {
            return null;
        }

        ulong sequence = reader.UInt64BigEndian();
        (byte mode, byte resilience, byte finished) = (reader.Byte(), reader.Byte(), reader.Byte());
        reader.Skip(5);
        return new ConversionState
        {
            Sequence = sequence,
            Mode = mode,
            Resilience = resilience,
            IsFinished = finished != 0,
            End = (long)reader.UInt64BigEndian(),
            Done = (long)reader.UInt64BigEndian(),
            HotOffset = (long)reader.UInt64BigEndian(),
            HotLength = (long)reader.UInt64BigEndian(),
            Before = Area(reader.Bytes(Qcow2EncryptionHeader.Size)),
            After = Area(reader.Bytes(Qcow2EncryptionHeader.Size)),
            RecordHash = reader.Bytes(HashSize).ToArray(),
            HeadersHash = reader.Bytes(HashSize).ToArray(),
            Mac = reader.Bytes(HashSize).ToArray(),
        };
    }

    /// <summary>The bytes of the state, with its checksum.</summary>
    public byte[] Encode()
    {
        byte[] bytes = new byte[ConversionPointer.SectorSize];
        var writer = new SpanWriter(bytes);
        writer.UInt64BigEndian(Magic);
        writer.UInt64BigEndian(Sequence);
        writer.Byte(Mode);
        writer.Byte(Resilience);
        writer.Byte((byte)(IsFinished ? 1 : 0));
        writer.Zeros(5);
        writer.UInt64BigEndian((ulong)End);
        writer.UInt64BigEndian((ulong)Done);
        writer.UInt64BigEndian((ulong)HotOffset);
        writer.UInt64BigEndian((ulong)HotLength);
        (Before ?? default).WriteTo(writer.Take(Qcow2EncryptionHeader.Size));
        (After ?? default).WriteTo(writer.Take(Qcow2EncryptionHeader.Size));
        writer.Bytes(RecordHash);
        writer.Bytes(HeadersHash);
        writer.Bytes(Mac);
        SHA256.HashData(bytes.AsSpan(0, Size - HashSize), bytes.AsSpan(Size - HashSize, HashSize));
        return bytes;
    }

    private static Qcow2EncryptionHeader? Area(ReadOnlySpan<byte> source) =>
        Qcow2EncryptionHeader.Parse(source) is { Length: not 0 } area ? area : null;
}
