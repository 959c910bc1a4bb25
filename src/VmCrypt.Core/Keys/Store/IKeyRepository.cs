using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store.Protectors;

namespace VmCrypt.Core.Keys.Store;

/// <summary>Where records lie: one file of this host, or a database of many. Sees wrapped secrets only.</summary>
internal interface IKeyRepository
{
    /// <summary>For people.</summary>
    string Name { get; }

    /// <summary>Which store it is and what opens it; null where none was made.</summary>
    Task<KeyStoreHead?> ReadHeadAsync(CancellationToken cancellationToken);

    /// <exception cref="RefusedException"><see cref="ErrorIds.KeyStoreExists"/>.</exception>
    Task CreateAsync(KeyStoreHead head, StoreKey key, CancellationToken cancellationToken);

    /// <summary>The records of one name, or for null all.</summary>
    /// <param name="key">Checks where it can that the records belong to the store; null reads without a check.</param>
    Task<IReadOnlyList<DiskKeyEntry>> FindAsync(LookupTerm? term, StoreKey? key, CancellationToken cancellationToken);

    /// <summary>Makes all of the changes or none; when it returns, they survive a power cut. Tells how many changes the store has seen.</summary>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.DiskKeyChanged"/>: a record is not of the revision before the one to be put.</exception>
    Task<long> ChangeAsync(StoreKey key, IReadOnlyList<KeyChange> changes, CancellationToken cancellationToken);

    /// <summary>Replaces the list of protectors by what <paramref name="change"/> makes of the one that is there; other writers wait. Tells how many changes the store has seen.</summary>
    Task<long> ProtectAsync(StoreKey key, Func<IReadOnlyList<KeyProtector>, IReadOnlyList<KeyProtector>> change, CancellationToken cancellationToken);

    /// <summary>Reads everything and checks that it belongs together.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.KeyStoreForged"/>, <see cref="ErrorIds.KeyStoreDamaged"/>.</exception>
    Task<KeyStoreState> VerifyAsync(StoreKey key, CancellationToken cancellationToken);
}

/// <summary>Which store it is, and what opens it.</summary>
internal sealed record KeyStoreHead(Guid Id, IReadOnlyList<KeyProtector> Protectors);

/// <summary>How far a store has come.</summary>
/// <param name="Changes">Counts every change since the store was made; a store whose number went down was put back to an earlier state.</param>
internal readonly record struct KeyStoreState(long Entries, long Changes);

/// <summary>One change of one record.</summary>
internal abstract record KeyChange
{
    /// <summary>Makes the record, or replaces the one whose revision is one less.</summary>
    public sealed record Put(DiskKeyEntry Entry) : KeyChange;

    public sealed record Remove(Guid Id) : KeyChange;

    public sealed record Use(Guid Id, DateTimeOffset When) : KeyChange;
}
