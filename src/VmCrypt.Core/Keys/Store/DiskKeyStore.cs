using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Database;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store.Files;
using VmCrypt.Core.Keys.Store.Protectors;
using VmCrypt.Core.Keys.Store.Shared;

namespace VmCrypt.Core.Keys.Store;

/// <summary>The keys of this host's disks: which disk, which slot, used when, and the secret under the store's key.</summary>
/// <remarks>What can be said without a secret is said here; <see cref="UnlockAsync"/> gives the keys. Every change and use is in the audit log.</remarks>
public sealed class DiskKeyStore
{
    private readonly ConfigurationFolder _folder;
    private readonly KeyStoreAudit _audit;
    private readonly TimeProvider _clock;
    private IKeyRepository? _repository;

    private DiskKeyStore(ConfigurationFolder folder, TimeProvider clock)
    {
        _folder = folder;
        _audit = new KeyStoreAudit(folder);
        _clock = clock;
    }

    /// <summary>The store of a host: the one of its database where it has one, else the file in its configuration folder.</summary>
    public static DiskKeyStore Of(ConfigurationFolder folder, TimeProvider? clock = null) => new(folder, clock ?? TimeProvider.System);

    /// <summary>Makes the store, empty.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.KeyStoreExists"/>.</exception>
    public async Task<KeyStoreFacts> CreateAsync(NewKeyProtector protector, CancellationToken cancellationToken)
    {
        IKeyRepository repository = await RepositoryAsync(cancellationToken);
        if (await repository.ReadHeadAsync(cancellationToken) is not null)
        {
            throw new RefusedException(ErrorIds.KeyStoreExists, $"There is a key store already, '{repository.Name}'.");
        }

        var id = Guid.NewGuid();
        using var key = new StoreKey(SecretBuffer.Random(StoreKey.Size), id);
        KeyProtector made = await KeyProtection.MakeAsync(protector, id, key.Raw, _clock.GetUtcNow(), cancellationToken);
        await repository.CreateAsync(new KeyStoreHead(id, [made]), key, cancellationToken);
        await _audit.WriteAsync("KeyStore.Create", repository.Name, id, changes: 0, ("protector", $"{made.Kind}"));
        return await DescribeAsync(cancellationToken);
    }

    /// <exception cref="MissingException"><see cref="ErrorIds.KeyStoreMissing"/>.</exception>
    public async Task<KeyStoreFacts> DescribeAsync(CancellationToken cancellationToken)
    {
        IKeyRepository repository = await RepositoryAsync(cancellationToken);
        KeyStoreHead head = await HeadAsync(repository, cancellationToken);
        long entries = (await repository.FindAsync(term: null, key: null, cancellationToken)).Count;
        return new KeyStoreFacts(head.Id, repository.Name, entries, [.. head.Protectors.Select(KeyProtection.FactsOf)]);
    }

    /// <summary>Every record; their secrets stay wrapped.</summary>
    public Task<IReadOnlyList<DiskKeyEntry>> ListAsync(CancellationToken cancellationToken) => FindAsync(term: null, cancellationToken);

    /// <summary>The records of a VM by its name or UUID.</summary>
    public Task<IReadOnlyList<DiskKeyEntry>> OfVMAsync(string vm, CancellationToken cancellationToken) =>
        FindAsync(LookupTerm.OfVM(vm), cancellationToken);

    /// <summary>The records of an image by its full path.</summary>
    public Task<IReadOnlyList<DiskKeyEntry>> OfPathAsync(string path, CancellationToken cancellationToken) =>
        FindAsync(LookupTerm.OfPath(path), cancellationToken);

    /// <summary>Gives access to the secrets: by the master passphrase, or without one by whatever else protects the store.</summary>
    /// <param name="passphrase">Borrowed; null for none.</param>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.KeyStoreLocked"/>.</exception>
    public async Task<DiskKeyRing> UnlockAsync(SecretBuffer? passphrase, CancellationToken cancellationToken)
    {
        IKeyRepository repository = await RepositoryAsync(cancellationToken);
        StoreKey key = await KeyProtection.OpenAsync(await HeadAsync(repository, cancellationToken), passphrase, cancellationToken);
        return new DiskKeyRing(repository, key, _audit, _clock);
    }

    private async Task<IReadOnlyList<DiskKeyEntry>> FindAsync(LookupTerm? term, CancellationToken cancellationToken) =>
        await (await RepositoryAsync(cancellationToken)).FindAsync(term, key: null, cancellationToken);

    private async ValueTask<IKeyRepository> RepositoryAsync(CancellationToken cancellationToken) =>
        _repository ??= await HostDatabase.OfAsync(_folder, cancellationToken) is { } database ? new SharedKeys(database) : new KeyStoreFile(_folder);

    private static async Task<KeyStoreHead> HeadAsync(IKeyRepository repository, CancellationToken cancellationToken) => await repository.ReadHeadAsync(cancellationToken)
        ?? throw new MissingException(ErrorIds.KeyStoreMissing, $"There is no key store '{repository.Name}'; make one with New-DiskKeyStore.");
}
