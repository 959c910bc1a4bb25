using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store.Protectors;

namespace VmCrypt.Core.Keys.Store.Files;

/// <summary>The file as it was when it was opened: the records that are in the index, and what its end changes of them.</summary>
/// <remarks>
/// A look-up reads the first pages, the end (bounded by <see cref="KeyStoreWriter.MaxTail"/>) and some words of the index. With the key,
/// everything that is read is checked to belong to the store; without it, only to be undamaged.
/// </remarks>
internal sealed class KeyStoreView
{
    private readonly IBlockDevice _device;
    private readonly KeyStoreHeader _header;
    private readonly StoreKey? _key;

    private KeyStoreView(IBlockDevice device, KeyStoreHeader header, KeyStoreCommit commit, KeyStoreHead head, StoreKey? key)
    {
        _device = device;
        _header = header;
        _key = key;
        Commit = commit;
        Head = head;
    }

    public KeyStoreHead Head { get; }

    public KeyStoreCommit Commit { get; }

    public KeyStoreChanges Changes { get; } = new();

    /// <summary>The mark of the last record, which the next one continues.</summary>
    public byte[] LastMark { get; private set; } = [];

    public long TailLength => Commit.Length - _header.TailOffset;

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.KeyStoreDamaged"/>, <see cref="ErrorIds.KeyStoreForged"/>, <see cref="ErrorIds.KeyProtectorInvalid"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.KeyStoreVersionUnsupported"/>.</exception>
    public static async Task<KeyStoreView> OpenAsync(IBlockDevice device, StoreKey? key, CancellationToken cancellationToken)
    {
        byte[] pages = await ReadAsync(device, 0, KeyStoreHeader.ProtectorsOffset, cancellationToken);
        KeyStoreHeader header = KeyStoreHeader.Parse(pages, device.Length);
        (KeyStoreCommit commit, byte[] commitPage) = NewestCommit(pages, header, device.Length);
        byte[] protectors = await ReadAsync(device, KeyStoreHeader.ProtectorsOffset, header.ProtectorsLength + StoreKey.MacSize, cancellationToken);
        if (key is not null && !key.IsMark(pages.AsSpan(0, KeyStoreHeader.Size), protectors.AsSpan(0, header.ProtectorsLength), protectors.AsSpan(header.ProtectorsLength)))
        {
            throw Forged("The head of the key store");
        }

        var head = new KeyStoreHead(header.Store, KeyProtectorList.Parse(protectors.AsSpan(0, header.ProtectorsLength)));
        var view = new KeyStoreView(device, header, commit, head, key);
        await view.ReadTailAsync(cancellationToken);
        if (key is not null && !KeyStoreCommit.IsGenuine(commitPage, key, view.LastMark))
        {
            throw Forged("The end of the key store");
        }

        return view;
    }

    public async Task<List<DiskKeyEntry>> FindAsync(LookupTerm term, CancellationToken cancellationToken)
    {
        List<DiskKeyEntry> found = Changes.TryFind(term, out IEnumerable<DiskKeyEntry>? changed) ? [.. changed] : [];
        foreach (long offset in await KeyStoreIndex.FindAsync(_device, _header, term.Hash, cancellationToken))
        {
            DiskKeyEntry entry = await ReadEntryAsync(offset, cancellationToken);
            if (!Changes.Replaces(entry.Id) && term.Fits(entry))
            {
                found.Add(Changes.WithUses(entry));
            }
        }

        return found;
    }

    /// <summary>Every record, in the order of the file.</summary>
    public async Task<List<DiskKeyEntry>> ListAsync(CancellationToken cancellationToken)
    {
        byte[] records = await ReadAsync(_device, _header.RecordsOffset - StoreKey.MacSize, _header.IndexOffset - _header.RecordsOffset + StoreKey.MacSize, cancellationToken);
        var entries = new List<DiskKeyEntry>();
        for (int at = StoreKey.MacSize; at < records.Length;)
        {
            KeyStoreFrame frame = Checked(records.AsSpan(at), records.AsSpan(at - StoreKey.MacSize, StoreKey.MacSize));
            DiskKeyEntry entry = frame.Kind == FrameKind.Entry ? DiskKeyEntry.Parse(frame.Payload) : throw FieldReader.Damaged("There is a change among the records of the index");
            if (!Changes.Replaces(entry.Id))
            {
                entries.Add(Changes.WithUses(entry));
            }

            at += frame.Size;
        }

        return [.. entries, .. Changes.Entries];
    }

    /// <summary>Checks that the index leads to every record and to nothing else.</summary>
    public async Task VerifyIndexAsync(CancellationToken cancellationToken)
    {
        byte[] records = await ReadAsync(_device, _header.RecordsOffset, _header.IndexOffset - _header.RecordsOffset, cancellationToken);
        var terms = new List<(ulong, long)>();
        for (int at = 0; at < records.Length;)
        {
            KeyStoreFrame frame = KeyStoreFrame.Read(records.AsSpan(at));
            long offset = _header.RecordsOffset + at;
            terms.AddRange(LookupTerm.Of(DiskKeyEntry.Parse(frame.Payload)).Select(term => (term.Hash, offset)));
            at += frame.Size;
        }

        byte[] index = await ReadAsync(_device, _header.IndexOffset, _header.IndexTerms * KeyStoreHeader.TermSize, cancellationToken);
        if (!KeyStoreIndex.Build(terms).AsSpan().SequenceEqual(index))
        {
            throw FieldReader.Damaged("The index of the key store does not lead to its records");
        }
    }

    private static (KeyStoreCommit Commit, byte[] Page) NewestCommit(byte[] pages, KeyStoreHeader header, long fileLength)
    {
        (KeyStoreCommit Commit, byte[] Page)? newest = null;
        for (int page = 1; page <= KeyStoreCommit.Count; page++)
        {
            byte[] bytes = pages.AsSpan(page * KeyStoreHeader.PageSize, KeyStoreCommit.Size).ToArray();
            if (KeyStoreCommit.TryParse(bytes) is { } commit && commit.Generation == header.Generation && !(newest?.Commit.Changes > commit.Changes))
            {
                newest = (commit, bytes);
            }
        }

        return newest is not { } found ? throw FieldReader.Damaged("The key store has no valid commit")
            : found.Commit.Length > fileLength ? throw FieldReader.Damaged($"The key store has {fileLength} bytes of the {found.Commit.Length} that were written: it was cut")
            : found.Commit.Length - header.TailOffset > KeyStoreWriter.MaxTail ? throw FieldReader.Damaged($"The key store has {found.Commit.Length - header.TailOffset} bytes of changes; it has at most {KeyStoreWriter.MaxTail}")
            : found.Commit.Length < header.TailOffset ? throw FieldReader.Damaged($"The key store counts to {found.Commit.Length}, before the end of its index at {header.TailOffset}")
            : found;
    }

    private async Task ReadTailAsync(CancellationToken cancellationToken)
    {
        LastMark = await ReadAsync(_device, _header.IndexOffset - StoreKey.MacSize, StoreKey.MacSize, cancellationToken);
        byte[] tail = await ReadAsync(_device, _header.TailOffset, TailLength, cancellationToken);
        for (int at = 0; at < tail.Length;)
        {
            KeyStoreFrame frame = Checked(tail.AsSpan(at), LastMark);
            Changes.Apply(frame.Kind, frame.Payload);
            LastMark = frame.Mark.ToArray();
            at += frame.Size;
        }
    }

    private async Task<DiskKeyEntry> ReadEntryAsync(long offset, CancellationToken cancellationToken)
    {
        byte[] head = await ReadAsync(_device, offset - StoreKey.MacSize, StoreKey.MacSize + KeyStoreFrame.HeadSize, cancellationToken);
        int size = KeyStoreFrame.SizeOf(head.AsSpan(StoreKey.MacSize));
        if (size > _header.IndexOffset - offset)
        {
            throw FieldReader.Damaged($"The record at {offset} announces {size} bytes, but the records end at {_header.IndexOffset}");
        }

        byte[] bytes = await ReadAsync(_device, offset, size, cancellationToken);
        KeyStoreFrame frame = Checked(bytes, head.AsSpan(0, StoreKey.MacSize));
        return frame.Kind == FrameKind.Entry ? DiskKeyEntry.Parse(frame.Payload) : throw FieldReader.Damaged($"The index names the change at {offset} as a record");
    }

    private KeyStoreFrame Checked(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> previous)
    {
        KeyStoreFrame frame = KeyStoreFrame.Read(bytes);
        return _key is null || frame.IsGenuine(_key, previous) ? frame : throw Forged("A record of the key store");
    }

    private static InvalidImageException Forged(string what) =>
        new(ErrorIds.KeyStoreForged, $"{what} was changed, moved, or taken from an earlier state by somebody who does not have its key.");

    private static async ValueTask<byte[]> ReadAsync(IBlockDevice device, long offset, long count, CancellationToken cancellationToken)
    {
        if (offset > device.Length || count > device.Length - offset || count > Array.MaxLength)
        {
            throw FieldReader.Damaged($"The key store has {device.Length} bytes; {count} at {offset} were to be read");
        }

        byte[] bytes = new byte[count];
        await device.ReadAsync(offset, bytes, cancellationToken);
        return bytes;
    }
}
