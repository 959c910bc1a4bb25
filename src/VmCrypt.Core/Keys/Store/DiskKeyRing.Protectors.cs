using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store.Protectors;

namespace VmCrypt.Core.Keys.Store;

/// <remarks>What opens the store, and whether it is whole.</remarks>
public sealed partial class DiskKeyRing
{
    /// <summary>One more way to open the store.</summary>
    public async Task<KeyProtectorFacts> AddProtectorAsync(NewKeyProtector protector, CancellationToken cancellationToken)
    {
        KeyStoreHead head = await HeadAsync(cancellationToken);
        KeyProtector made = await KeyProtection.MakeAsync(protector, head.Id, _key.Raw, _clock.GetUtcNow(), cancellationToken);
        await _repository.ProtectAsync(_key, [.. head.Protectors, made], cancellationToken);
        await _audit.WriteAsync("KeyStore.AddProtector", _repository.Name, ("protector", $"{made.Id}"), ("kind", $"{made.Kind}"));
        return KeyProtection.FactsOf(made);
    }

    /// <summary>Takes a way to open the store away. Copies of the store from before can still be opened by it.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeyProtectorMissing"/>: there is none of this id, or no other.</exception>
    public async Task RemoveProtectorAsync(Guid id, CancellationToken cancellationToken)
    {
        KeyStoreHead head = await HeadAsync(cancellationToken);
        KeyProtector[] left = [.. head.Protectors.Where(protector => protector.Id != id)];
        if (left.Length == head.Protectors.Count || left.Length == 0)
        {
            throw new MissingException(ErrorIds.KeyProtectorMissing, left.Length == 0
                ? "The key store has no other protector: without this one, nobody could open it any more."
                : $"The key store has no protector {id}.");
        }

        await _repository.ProtectAsync(_key, left, cancellationToken);
        await _audit.WriteAsync("KeyStore.RemoveProtector", _repository.Name, ("protector", $"{id}"));
    }

    /// <summary>Reads the whole store and checks that every record of it belongs to it, and that the index leads to all of them.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.KeyStoreForged"/>, <see cref="ErrorIds.KeyStoreDamaged"/>.</exception>
    public async Task<KeyStoreReport> VerifyAsync(CancellationToken cancellationToken)
    {
        KeyStoreState state = await _repository.VerifyAsync(_key, cancellationToken);
        return new KeyStoreReport(_repository.Name, state.Entries, state.Changes);
    }

    private async Task<KeyStoreHead> HeadAsync(CancellationToken cancellationToken) => await _repository.ReadHeadAsync(cancellationToken)
        ?? throw new MissingException(ErrorIds.KeyStoreMissing, $"The key store '{_repository.Name}' is not there any more.");
}

/// <summary>A key store that was found whole.</summary>
/// <param name="Changes">Every change since it was made; the newest entry of the audit log about the store says no more, unless somebody has put an earlier state back.</param>
public sealed record KeyStoreReport(string Location, long Entries, long Changes);
