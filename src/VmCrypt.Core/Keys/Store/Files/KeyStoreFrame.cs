using System.Buffers.Binary;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Keys.Store.Files;

internal enum FrameKind : byte
{
    /// <summary>A record, whole; replaces an earlier one of its id.</summary>
    Entry = 1,

    /// <summary>When a secret was handed out, and how often in all.</summary>
    Use = 2,

    Removal = 3,
}

/// <summary>One record as the file holds it.</summary>
/// <remarks>
/// <code>
///   0   1  kind
///   1   3  zero
///   4   4  bytes of payload, n
///   8   n  payload
/// 8+n   4  CRC-32C of the bytes before: finds damage without the key
/// 12+n 32  mark: HMAC of the mark before this record and of the bytes before the checksum
/// </code>
/// The mark of the record before ends where this one begins.
/// </remarks>
internal readonly ref struct KeyStoreFrame
{
    public const int HeadSize = 8;
    public const int TrailSize = sizeof(uint) + StoreKey.MacSize;

    /// <summary>A record with two secrets and every name at its limit.</summary>
    public const int MaxPayload = 128 * 1024;

    private readonly ReadOnlySpan<byte> _bytes;

    private KeyStoreFrame(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    public FrameKind Kind => (FrameKind)_bytes[0];

    public ReadOnlySpan<byte> Payload => _bytes[HeadSize..^TrailSize];

    public ReadOnlySpan<byte> Mark => _bytes[^StoreKey.MacSize..];

    /// <summary>Bytes in the file.</summary>
    public int Size => _bytes.Length;

    /// <summary>The size that the head of a record announces.</summary>
    public static int SizeOf(ReadOnlySpan<byte> head)
    {
        if (head.Length < HeadSize || head[0] is < (byte)FrameKind.Entry or > (byte)FrameKind.Removal || head[1..4].ContainsAnyExcept((byte)0))
        {
            throw FieldReader.Damaged("The key store has something that is no record where one begins");
        }

        uint payload = BinaryPrimitives.ReadUInt32BigEndian(head[4..]);
        return payload <= MaxPayload ? HeadSize + (int)payload + TrailSize : throw FieldReader.Damaged($"A record announces {payload} bytes; it has at most {MaxPayload}");
    }

    /// <summary>The record at the start of <paramref name="bytes"/>.</summary>
    public static KeyStoreFrame Read(ReadOnlySpan<byte> bytes)
    {
        int size = SizeOf(bytes);
        if (size > bytes.Length)
        {
            throw FieldReader.Damaged($"The last record of the key store lacks {size - bytes.Length} bytes");
        }

        ReadOnlySpan<byte> frame = bytes[..size];
        ReadOnlySpan<byte> covered = frame[..^TrailSize];
        return BinaryPrimitives.ReadUInt32BigEndian(frame[covered.Length..]) == Crc32C.Of(covered)
            ? new KeyStoreFrame(frame)
            : throw FieldReader.Damaged("The checksum of a record of the key store is wrong");
    }

    public bool IsGenuine(StoreKey key, ReadOnlySpan<byte> previous) => key.IsMark(previous, _bytes[..^TrailSize], Mark);

    public static byte[] Write(FrameKind kind, ReadOnlySpan<byte> payload, StoreKey key, ReadOnlySpan<byte> previous)
    {
        byte[] bytes = new byte[HeadSize + payload.Length + TrailSize];
        var writer = new SpanWriter(bytes);
        writer.Byte((byte)kind);
        writer.Zeros(3);
        writer.UInt32BigEndian((uint)payload.Length);
        writer.Bytes(payload);
        ReadOnlySpan<byte> covered = bytes.AsSpan(0, HeadSize + payload.Length);
        writer.UInt32BigEndian(Crc32C.Of(covered));
        key.Mark(previous, covered, writer.Take(StoreKey.MacSize));
        return bytes;
    }
}
