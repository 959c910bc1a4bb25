using VmCrypt.Core.Block;
using VmCrypt.Core.Keys.Store.Protectors;

namespace VmCrypt.Core.Keys.Store.Files;

/// <summary>Writes the file: whole, or more records behind its end.</summary>
/// <remarks>
/// Appending, and what a crash after each step leaves: (1) the file grows to its new length: the old state, because no commit counts the
/// new bytes; (2) the records are written and flushed: the same; (3) the commit of the other page is written and flushed: the new state,
/// or, torn, the old one. What an interrupted append leaves behind the end, the next one overwrites.
/// </remarks>
internal static class KeyStoreWriter
{
    /// <summary>Bytes of changes behind the index; more are taken into it by writing the file anew.</summary>
    public const int MaxTail = 128 * 1024;

    /// <summary>The bytes of a whole file.</summary>
    public static byte[] Build(KeyStoreHead head, IReadOnlyCollection<DiskKeyEntry> entries, long changes, StoreKey key)
    {
        byte[] protectors = KeyProtectorList.ToBytes(head.Protectors);
        long recordsOffset = KeyStoreHeader.ProtectorsOffset + protectors.Length + StoreKey.MacSize;
        (List<byte[]> sizes, List<(ulong, long)> terms, long indexOffset) = Payloads(entries, recordsOffset);
        byte[] index = KeyStoreIndex.Build(terms);
        var header = new KeyStoreHeader(protectors.Length, head.Id, Guid.NewGuid(), recordsOffset, indexOffset, terms.Count);
        byte[] headerBytes = header.ToBytes();

        byte[] file = new byte[header.TailOffset];
        headerBytes.CopyTo(file, 0);
        protectors.CopyTo(file, KeyStoreHeader.ProtectorsOffset);
        byte[] mark = new byte[StoreKey.MacSize];
        key.Mark(headerBytes, protectors, mark);
        mark.CopyTo(file, recordsOffset - StoreKey.MacSize);
        long at = recordsOffset;
        foreach (byte[] payload in sizes)
        {
            byte[] frame = KeyStoreFrame.Write(FrameKind.Entry, payload, key, mark);
            frame.CopyTo(file, at);
            mark = frame[^StoreKey.MacSize..];
            at += frame.Length;
        }

        index.CopyTo(file, indexOffset);
        var commit = new KeyStoreCommit(header.Generation, changes, file.Length);
        commit.ToBytes(key, mark).CopyTo(file, commit.Offset);
        return file;
    }

    /// <summary>Writes frames behind the end of what counts.</summary>
    public static async Task AppendAsync(IBlockDevice device, KeyStoreView view, byte[] frames, StoreKey key, CancellationToken cancellationToken)
    {
        long start = view.Commit.Length;
        long end = start + frames.Length;
        if (device.Length < end)
        {
            await device.SetLengthAsync(end, cancellationToken);
        }

        await device.WriteAsync(start, frames, cancellationToken);
        await device.FlushAsync(cancellationToken);

        KeyStoreCommit commit = view.Commit with { Changes = view.Commit.Changes + 1, Length = end };
        await device.WriteAsync(commit.Offset, commit.ToBytes(key, frames.AsSpan(^StoreKey.MacSize..)), cancellationToken);
        await device.FlushAsync(cancellationToken);
    }

    private static (List<byte[]> Payloads, List<(ulong Hash, long Offset)> Terms, long End) Payloads(IEnumerable<DiskKeyEntry> entries, long offset)
    {
        var payloads = new List<byte[]>();
        var terms = new List<(ulong, long)>();
        foreach (DiskKeyEntry entry in entries)
        {
            byte[] payload = entry.ToBytes();
            terms.AddRange(LookupTerm.Of(entry).Select(term => (term.Hash, offset)));
            payloads.Add(payload);
            offset += KeyStoreFrame.HeadSize + payload.Length + KeyStoreFrame.TrailSize;
        }

        return (payloads, terms, offset);
    }
}
