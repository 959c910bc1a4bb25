using VmCrypt.Core.Configuration;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Keys.Store.Files;
using VmCrypt.Core.Keys.Store.Protectors;

namespace VmCrypt.Core.Tests.Keys.Store;

/// <summary>A key store that somebody else changes as soon as it was checked.</summary>
internal sealed class BusyKeys(ConfigurationFolder folder, Func<Task> change) : IKeyRepository
{
    private readonly KeyStoreFile _inner = new(folder);

    public string Name => _inner.Name;

    public Task<KeyStoreHead?> ReadHeadAsync(CancellationToken cancellationToken) => _inner.ReadHeadAsync(cancellationToken);

    public Task CreateAsync(KeyStoreHead head, StoreKey key, CancellationToken cancellationToken) => _inner.CreateAsync(head, key, cancellationToken);

    public Task<IReadOnlyList<DiskKeyEntry>> FindAsync(LookupTerm? term, StoreKey? key, CancellationToken cancellationToken) => _inner.FindAsync(term, key, cancellationToken);

    public Task<long> ChangeAsync(StoreKey key, IReadOnlyList<KeyChange> changes, CancellationToken cancellationToken) => _inner.ChangeAsync(key, changes, cancellationToken);

    public Task<long> ProtectAsync(
        StoreKey key, Func<IReadOnlyList<KeyProtector>, IReadOnlyList<KeyProtector>> change, CancellationToken cancellationToken) =>
        _inner.ProtectAsync(key, change, cancellationToken);

    public async Task<KeyStoreState> VerifyAsync(StoreKey key, CancellationToken cancellationToken)
    {
        KeyStoreState state = await _inner.VerifyAsync(key, cancellationToken);
        await change();
        return state;
    }
}
