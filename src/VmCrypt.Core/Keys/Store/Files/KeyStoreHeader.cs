using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Keys.Store.Files;

/// <summary>The first page of the file; written with the whole file and not changed afterwards. All numbers big-endian.</summary>
/// <remarks>
/// <code>
///  0   8  magic "VMCRYKEY"
///  8   2  version, 1
/// 10   2  zero
/// 12   4  bytes of the list of protectors, which begins at 12288
/// 16  16  id of the store
/// 32  16  generation: random, new with every writing of the whole file
/// 48   8  offset of the records
/// 56   8  offset of the index, which is the end of the records
/// 64   8  terms in the index, 16 bytes each
/// 72   4  CRC-32C of the bytes before
/// </code>
/// </remarks>
internal readonly record struct KeyStoreHeader(int ProtectorsLength, Guid Store, Guid Generation, long RecordsOffset, long IndexOffset, long IndexTerms)
{
    /// <summary>The header, a page for each of the two commits, then the protectors.</summary>
    public const int PageSize = 4096;
    public const int ProtectorsOffset = 3 * PageSize;
    public const int Size = 76;

    public const int TermSize = 16;
    private const int CrcOffset = 72;
    private const ushort KnownVersion = 1;

    private static ReadOnlySpan<byte> Magic => "VMCRYKEY"u8;

    /// <summary>Where later changes follow.</summary>
    public long TailOffset => IndexOffset + (IndexTerms * TermSize);

    public static KeyStoreHeader Parse(ReadOnlySpan<byte> page, long fileLength)
    {
        if (!page.StartsWith(Magic))
        {
            throw FieldReader.Damaged("The file does not begin like a key store");
        }

        var reader = new SpanReader(page[Magic.Length..]);
        ushort version = reader.UInt16BigEndian();
        if (version != KnownVersion)
        {
            throw new UnsupportedFeatureException(ErrorIds.KeyStoreVersionUnsupported, $"The key store has the version {version}; this program knows {KnownVersion}.");
        }

        reader.Skip(2);
        uint protectors = reader.UInt32BigEndian();
        var store = new Guid(reader.Bytes(16), bigEndian: true);
        var generation = new Guid(reader.Bytes(16), bigEndian: true);
        ulong records = reader.UInt64BigEndian();
        ulong index = reader.UInt64BigEndian();
        ulong terms = reader.UInt64BigEndian();
        if (reader.UInt32BigEndian() != Crc32C.Of(page[..CrcOffset]))
        {
            throw FieldReader.Damaged("The checksum of the key store's header is wrong");
        }

        ulong length = (ulong)fileLength;
        if (protectors > Protectors.KeyProtectorList.MaxBytes || records != ProtectorsOffset + protectors + StoreKey.MacSize
            || index < records || index > length || terms > (length - index) / TermSize)
        {
            throw FieldReader.Damaged($"The key store's header has records at {records}, {protectors} bytes of protectors and {terms} terms at {index} in {length} bytes");
        }

        return new KeyStoreHeader((int)protectors, store, generation, (long)records, (long)index, (long)terms);
    }

    public byte[] ToBytes()
    {
        byte[] bytes = new byte[Size];
        var writer = new SpanWriter(bytes);
        writer.Bytes(Magic);
        writer.UInt16BigEndian(KnownVersion);
        writer.Zeros(2);
        writer.UInt32BigEndian((uint)ProtectorsLength);
        Store.TryWriteBytes(writer.Take(16), bigEndian: true, out _);
        Generation.TryWriteBytes(writer.Take(16), bigEndian: true, out _);
        writer.UInt64BigEndian((ulong)RecordsOffset);
        writer.UInt64BigEndian((ulong)IndexOffset);
        writer.UInt64BigEndian((ulong)IndexTerms);
        writer.UInt32BigEndian(Crc32C.Of(bytes.AsSpan(0, CrcOffset)));
        return bytes;
    }
}
