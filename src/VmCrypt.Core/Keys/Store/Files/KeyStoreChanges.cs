using System.Diagnostics.CodeAnalysis;

namespace VmCrypt.Core.Keys.Store.Files;

/// <summary>What the end of the file changes of the records that are in the index.</summary>
internal sealed class KeyStoreChanges
{
    private readonly Dictionary<Guid, DiskKeyEntry?> _entries = [];
    private readonly Dictionary<Guid, (DateTimeOffset When, long Count)> _uses = [];
    private readonly Dictionary<LookupTerm, HashSet<Guid>> _byTerm = [];

    /// <summary>New or replaced records, as they are now.</summary>
    public IEnumerable<DiskKeyEntry> Entries => _entries.Values.OfType<DiskKeyEntry>().Select(WithUses);

    public void Apply(FrameKind kind, ReadOnlySpan<byte> payload)
    {
        switch (kind)
        {
            case FrameKind.Entry:
                Put(DiskKeyEntry.Parse(payload));
                break;
            case FrameKind.Use:
                var reader = new FieldReader(payload);
                Guid id = reader.Guid("Id");
                Use(id, reader.Time(nameof(DiskKeyEntry.LastUsed)), reader.Int64(nameof(DiskKeyEntry.UseCount)));
                reader.RequireEnd("A use");
                break;
            case FrameKind.Removal:
                var removal = new FieldReader(payload);
                Remove(removal.Guid("Id"));
                removal.RequireEnd("A removal");
                break;
        }
    }

    public void Put(DiskKeyEntry entry)
    {
        Forget(entry.Id);
        _entries[entry.Id] = entry;
        foreach (LookupTerm term in LookupTerm.Of(entry))
        {
            if (!_byTerm.TryGetValue(term, out HashSet<Guid>? ids))
            {
                _byTerm[term] = ids = [];
            }

            ids.Add(entry.Id);
        }
    }

    public void Use(Guid id, DateTimeOffset when, long count) => _uses[id] = (when, count);

    public void Remove(Guid id)
    {
        Forget(id);
        _entries[id] = null;
    }

    /// <summary>The end of the file holds a record of its own for the id, or its removal.</summary>
    public bool Replaces(Guid id) => _entries.ContainsKey(id);

    public bool TryFind(LookupTerm term, [NotNullWhen(true)] out IEnumerable<DiskKeyEntry>? found)
    {
        found = _byTerm.TryGetValue(term, out HashSet<Guid>? ids) ? ids.Select(id => WithUses(_entries[id]!)) : null;
        return found is not null;
    }

    public DiskKeyEntry WithUses(DiskKeyEntry entry) =>
        _uses.TryGetValue(entry.Id, out (DateTimeOffset When, long Count) use) ? entry with { LastUsed = use.When, UseCount = use.Count } : entry;

    // A record that replaces another carries its own count of uses.
    private void Forget(Guid id)
    {
        _uses.Remove(id);
        if (_entries.GetValueOrDefault(id) is { } old)
        {
            foreach (LookupTerm term in LookupTerm.Of(old))
            {
                _byTerm[term].Remove(id);
            }
        }
    }
}
