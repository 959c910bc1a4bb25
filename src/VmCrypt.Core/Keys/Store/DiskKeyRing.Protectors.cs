using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store.Protectors;

namespace VmCrypt.Core.Keys.Store;

/// <remarks>What opens the store, and whether it is whole.</remarks>
public sealed partial class DiskKeyRing
{
    /// <summary>One more way to open the store.</summary>
    public async Task<KeyProtectorFacts> AddProtectorAsync(NewKeyProtector protector, CancellationToken cancellationToken)
    {
        KeyProtector made = await KeyProtection.MakeAsync(protector, _key.Store, _key.Raw, _clock.GetUtcNow(), cancellationToken);
        long changes = await _repository.ProtectAsync(_key, protectors => [.. protectors, made], cancellationToken);
        await _audit.WriteAsync("KeyStore.AddProtector", _repository.Name, _key.Store, changes, ("protector", $"{made.Id}"), ("kind", $"{made.Kind}"));
        return KeyProtection.FactsOf(made);
    }

    /// <summary>Takes a way to open the store away. Copies of the store from before can still be opened by it.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeyProtectorMissing"/>: there is none of this id, or no other.</exception>
    public async Task RemoveProtectorAsync(Guid id, CancellationToken cancellationToken)
    {
        long changes = await _repository.ProtectAsync(_key, protectors => Without(protectors, id), cancellationToken);
        await _audit.WriteAsync("KeyStore.RemoveProtector", _repository.Name, _key.Store, changes, ("protector", $"{id}"));
    }

    /// <summary>Reads the whole store and checks that every record of it belongs to it, and that the index leads to all of them.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.KeyStoreForged"/>, <see cref="ErrorIds.KeyStoreDamaged"/>;
    /// <see cref="ErrorIds.KeyStoreRolledBack"/>: the audit log of this host knows of later changes.</exception>
    public async Task<KeyStoreReport> VerifyAsync(CancellationToken cancellationToken)
    {
        // The log first: what others change meanwhile is then in the store, and its number no sign of an earlier state.
        long newest = await _audit.NewestChangeAsync(_key.Store, cancellationToken);
        KeyStoreState state = await _repository.VerifyAsync(_key, cancellationToken);
        if (newest > state.Changes)
        {
            throw new InvalidImageException(ErrorIds.KeyStoreRolledBack,
                $"The key store has seen {state.Changes} changes, but the audit log has written down {newest}: somebody has put an earlier state back.");
        }

        return new KeyStoreReport(_repository.Name, state.Entries, state.Changes);
    }

    private static KeyProtector[] Without(IReadOnlyList<KeyProtector> protectors, Guid id)
    {
        KeyProtector[] left = [.. protectors.Where(protector => protector.Id != id)];
        return left.Length == protectors.Count ? throw new MissingException(ErrorIds.KeyProtectorMissing, $"The key store has no protector {id}.")
            : left.Length == 0 ? throw new MissingException(ErrorIds.KeyProtectorMissing, "The key store has no other protector: without this one, nobody could open it any more.")
            : left;
    }
}

/// <summary>A key store that was found whole.</summary>
/// <param name="Changes">Every change since it was made.</param>
public sealed record KeyStoreReport(string Location, long Entries, long Changes);
