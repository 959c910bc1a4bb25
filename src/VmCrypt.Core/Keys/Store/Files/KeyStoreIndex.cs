using System.Buffers.Binary;
using VmCrypt.Core.Block;

namespace VmCrypt.Core.Keys.Store.Files;

/// <summary>Where the records of a term lie: (hash of the term, offset of the record), sorted, 8 bytes each.</summary>
internal static class KeyStoreIndex
{
    // So many terms are read at once: a page.
    private const int Block = KeyStoreHeader.PageSize / KeyStoreHeader.TermSize;

    public static byte[] Build(List<(ulong Hash, long Offset)> terms)
    {
        terms.Sort();
        byte[] bytes = new byte[terms.Count * KeyStoreHeader.TermSize];
        for (int i = 0; i < terms.Count; i++)
        {
            Span<byte> term = bytes.AsSpan(i * KeyStoreHeader.TermSize);
            BinaryPrimitives.WriteUInt64BigEndian(term, terms[i].Hash);
            BinaryPrimitives.WriteInt64BigEndian(term[8..], terms[i].Offset);
        }

        return bytes;
    }

    /// <summary>The offsets of the records whose term has this hash; halves the index, then reads on in pages.</summary>
    public static async ValueTask<List<long>> FindAsync(IBlockDevice device, KeyStoreHeader header, ulong hash, CancellationToken cancellationToken)
    {
        byte[] page = new byte[KeyStoreHeader.PageSize];
        long low = 0;
        for (long high = header.IndexTerms; high - low > Block;)
        {
            long middle = low + ((high - low) / 2);
            await device.ReadAsync(header.IndexOffset + (middle * KeyStoreHeader.TermSize), page.AsMemory(0, sizeof(ulong)), cancellationToken);
            (low, high) = BinaryPrimitives.ReadUInt64BigEndian(page) < hash ? (middle, high) : (low, middle);
        }

        var found = new List<long>();
        for (bool over = false; !over && low < header.IndexTerms; low += Block)
        {
            int count = (int)Math.Min(Block, header.IndexTerms - low);
            await device.ReadAsync(header.IndexOffset + (low * KeyStoreHeader.TermSize), page.AsMemory(0, count * KeyStoreHeader.TermSize), cancellationToken);
            over = Collect(page.AsSpan(0, count * KeyStoreHeader.TermSize), hash, header, found);
        }

        return found;
    }

    // True where a greater hash was seen.
    private static bool Collect(ReadOnlySpan<byte> page, ulong hash, KeyStoreHeader header, List<long> found)
    {
        for (; page.Length > 0; page = page[KeyStoreHeader.TermSize..])
        {
            ulong term = BinaryPrimitives.ReadUInt64BigEndian(page);
            if (term > hash)
            {
                return true;
            }

            if (term == hash)
            {
                long offset = BinaryPrimitives.ReadInt64BigEndian(page[8..]);
                found.Add(offset >= header.RecordsOffset && offset <= header.IndexOffset - KeyStoreFrame.HeadSize - KeyStoreFrame.TrailSize
                    ? offset
                    : throw FieldReader.Damaged($"The index of the key store names a record at {offset}; records lie from {header.RecordsOffset} to {header.IndexOffset}"));
            }
        }

        return false;
    }
}
