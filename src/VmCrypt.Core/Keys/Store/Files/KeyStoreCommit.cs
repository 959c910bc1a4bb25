using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Keys.Store.Files;

/// <summary>Up to where the file counts. Two of them, each on a page of its own, are written in turn; the one of more changes holds.</summary>
/// <remarks>
/// <code>
///  0  16  generation of the header that it belongs to
/// 16   8  changes since the store was made
/// 24   8  bytes of the file that count
/// 32  32  mark of the last record
/// 64  32  mark of the bytes before
/// 96   4  CRC-32C of the bytes before
/// </code>
/// </remarks>
internal readonly record struct KeyStoreCommit(Guid Generation, long Changes, long Length)
{
    public const int Size = 100;
    public const int Count = 2;

    private const int CoveredSize = 64;
    private const int CrcOffset = 96;

    private static ReadOnlySpan<byte> Purpose => "vmcrypt key store: commit"u8;

    /// <summary>The page of the commit that makes <see cref="Changes"/> so many.</summary>
    public long Offset => KeyStoreHeader.PageSize * (1 + (Changes % Count));

    /// <summary>Null where it was never written, or torn by a crash.</summary>
    public static KeyStoreCommit? TryParse(ReadOnlySpan<byte> page)
    {
        var reader = new SpanReader(page);
        var generation = new Guid(reader.Bytes(16), bigEndian: true);
        ulong changes = reader.UInt64BigEndian();
        ulong length = reader.UInt64BigEndian();
        reader.Skip(2 * StoreKey.MacSize);
        return reader.UInt32BigEndian() == Crc32C.Of(page[..CrcOffset]) && changes <= long.MaxValue && length <= long.MaxValue
            ? new KeyStoreCommit(generation, (long)changes, (long)length)
            : null;
    }

    /// <summary>The page that it stands on was written by somebody who has the key, behind the record whose mark is <paramref name="last"/>.</summary>
    public static bool IsGenuine(ReadOnlySpan<byte> page, StoreKey key, ReadOnlySpan<byte> last) =>
        page[32..CoveredSize].SequenceEqual(last) && key.IsMark(Purpose, page[..CoveredSize], page[CoveredSize..CrcOffset]);

    public byte[] ToBytes(StoreKey key, ReadOnlySpan<byte> last)
    {
        byte[] bytes = new byte[Size];
        var writer = new SpanWriter(bytes);
        Generation.TryWriteBytes(writer.Take(16), bigEndian: true, out _);
        writer.UInt64BigEndian((ulong)Changes);
        writer.UInt64BigEndian((ulong)Length);
        writer.Bytes(last);
        key.Mark(Purpose, bytes.AsSpan(0, CoveredSize), writer.Take(StoreKey.MacSize));
        writer.UInt32BigEndian(Crc32C.Of(bytes.AsSpan(0, CrcOffset)));
        return bytes;
    }
}
