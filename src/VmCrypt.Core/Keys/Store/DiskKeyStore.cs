using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store.Files;
using VmCrypt.Core.Keys.Store.Protectors;

namespace VmCrypt.Core.Keys.Store;

/// <summary>The keys of this host's disks: which disk, which slot, used when, and the secret under the store's key.</summary>
/// <remarks>What can be said without a secret is said here; <see cref="UnlockAsync"/> gives the keys. Every change and use is in the audit log.</remarks>
public sealed class DiskKeyStore
{
    private readonly IKeyRepository _repository;
    private readonly KeyStoreAudit _audit;
    private readonly TimeProvider _clock;

    internal DiskKeyStore(IKeyRepository repository, KeyStoreAudit audit, TimeProvider? clock = null)
    {
        _repository = repository;
        _audit = audit;
        _clock = clock ?? TimeProvider.System;
    }

    /// <summary>The store of a configuration folder.</summary>
    public static DiskKeyStore Of(ConfigurationFolder folder, TimeProvider? clock = null) =>
        new(new KeyStoreFile(folder), new KeyStoreAudit(folder), clock);

    /// <summary>Makes the store, empty.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.KeyStoreExists"/>.</exception>
    public async Task<KeyStoreFacts> CreateAsync(NewKeyProtector protector, CancellationToken cancellationToken)
    {
        if (await _repository.ReadHeadAsync(cancellationToken) is not null)
        {
            throw new RefusedException(ErrorIds.KeyStoreExists, $"There is a key store already, '{_repository.Name}'.");
        }

        var id = Guid.NewGuid();
        using var key = new StoreKey(SecretBuffer.Random(StoreKey.Size), id);
        KeyProtector made = await KeyProtection.MakeAsync(protector, id, key.Raw, _clock.GetUtcNow(), cancellationToken);
        await _repository.CreateAsync(new KeyStoreHead(id, [made]), key, cancellationToken);
        await _audit.WriteAsync("KeyStore.Create", _repository.Name, ("store", $"{id}"), ("protector", $"{made.Kind}"));
        return await DescribeAsync(cancellationToken);
    }

    /// <exception cref="MissingException"><see cref="ErrorIds.KeyStoreMissing"/>.</exception>
    public async Task<KeyStoreFacts> DescribeAsync(CancellationToken cancellationToken)
    {
        KeyStoreHead head = await HeadAsync(cancellationToken);
        long entries = (await _repository.FindAsync(term: null, key: null, cancellationToken)).Count;
        return new KeyStoreFacts(head.Id, _repository.Name, entries, [.. head.Protectors.Select(KeyProtection.FactsOf)]);
    }

    /// <summary>Every record; their secrets stay wrapped.</summary>
    public Task<IReadOnlyList<DiskKeyEntry>> ListAsync(CancellationToken cancellationToken) => _repository.FindAsync(term: null, key: null, cancellationToken);

    /// <summary>The records of a VM by its name or UUID.</summary>
    public Task<IReadOnlyList<DiskKeyEntry>> OfVMAsync(string vm, CancellationToken cancellationToken) =>
        _repository.FindAsync(LookupTerm.OfVM(vm), key: null, cancellationToken);

    /// <summary>The records of an image by its full path.</summary>
    public Task<IReadOnlyList<DiskKeyEntry>> OfPathAsync(string path, CancellationToken cancellationToken) =>
        _repository.FindAsync(LookupTerm.OfPath(path), key: null, cancellationToken);

    /// <summary>Gives access to the secrets: by the master passphrase, or without one by whatever else protects the store.</summary>
    /// <param name="passphrase">Borrowed; null for none.</param>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.KeyStoreLocked"/>.</exception>
    public async Task<DiskKeyRing> UnlockAsync(SecretBuffer? passphrase, CancellationToken cancellationToken)
    {
        StoreKey key = await KeyProtection.OpenAsync(await HeadAsync(cancellationToken), passphrase, cancellationToken);
        return new DiskKeyRing(_repository, key, _audit, _clock);
    }

    private async Task<KeyStoreHead> HeadAsync(CancellationToken cancellationToken) => await _repository.ReadHeadAsync(cancellationToken)
        ?? throw new MissingException(ErrorIds.KeyStoreMissing, $"There is no key store '{_repository.Name}'; make one with New-DiskKeyStore.");
}
