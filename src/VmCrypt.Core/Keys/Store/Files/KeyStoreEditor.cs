namespace VmCrypt.Core.Keys.Store.Files;

/// <summary>Checks changes against the state that they are made to, and writes them as records.</summary>
internal static class KeyStoreEditor
{
    /// <summary>The records that make the changes, which <paramref name="view"/> then shows.</summary>
    public static async Task<byte[]> FramesAsync(KeyStoreView view, StoreKey key, IReadOnlyList<KeyChange> changes, CancellationToken cancellationToken)
    {
        var frames = new MemoryStream();
        byte[] mark = view.LastMark;
        foreach (KeyChange change in changes)
        {
            (FrameKind kind, byte[] payload) = change switch
            {
                KeyChange.Put put => (FrameKind.Entry, await PutAsync(view, put.Entry, cancellationToken)),
                KeyChange.Use use => (FrameKind.Use, Use(await RequireAsync(view, use.Id, cancellationToken), use.When)),
                KeyChange.Remove remove => (FrameKind.Removal, Removal(await RequireAsync(view, remove.Id, cancellationToken))),
                _ => throw new ArgumentOutOfRangeException(nameof(changes)),
            };
            view.Changes.Apply(kind, payload);
            byte[] frame = KeyStoreFrame.Write(kind, payload, key, mark);
            frames.Write(frame);
            mark = frame[^StoreKey.MacSize..];
        }

        return frames.ToArray();
    }

    private static async Task<byte[]> PutAsync(KeyStoreView view, DiskKeyEntry entry, CancellationToken cancellationToken)
    {
        DiskKeyEntry? stored = (await view.FindAsync(LookupTerm.Of(TermKind.Id, entry.Id), cancellationToken)).FirstOrDefault();
        if ((stored?.Revision ?? 0) != entry.Revision - 1)
        {
            throw KeyConflicts.Changed(entry);
        }

        List<DiskKeyEntry> samePath = await view.FindAsync(LookupTerm.OfPath(entry.Disk.Path), cancellationToken);
        if (samePath.Exists(other => other.Id != entry.Id && other.Disk.LuksUuid == entry.Disk.LuksUuid))
        {
            throw KeyConflicts.Exists(entry);
        }

        // A use in between counts, although it makes no revision.
        return (stored is null ? entry : entry with { LastUsed = stored.LastUsed, UseCount = stored.UseCount }).ToBytes();
    }

    private static byte[] Use(DiskKeyEntry entry, DateTimeOffset when)
    {
        var writer = new FieldWriter();
        writer.Guid(entry.Id);
        writer.Int64(when.ToUnixTimeMilliseconds());
        writer.Int64(entry.UseCount + 1);
        return writer.ToArray();
    }

    private static byte[] Removal(DiskKeyEntry entry)
    {
        var writer = new FieldWriter();
        writer.Guid(entry.Id);
        return writer.ToArray();
    }

    private static async Task<DiskKeyEntry> RequireAsync(KeyStoreView view, Guid id, CancellationToken cancellationToken) =>
        (await view.FindAsync(LookupTerm.Of(TermKind.Id, id), cancellationToken)).FirstOrDefault() ?? throw KeyConflicts.Gone(id);
}
