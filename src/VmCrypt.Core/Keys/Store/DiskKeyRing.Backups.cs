using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store.Files;
using VmCrypt.Core.Keys.Store.Protectors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Keys.Store;

/// <remarks>A backup is a key store of its own: the same format, another key, and one protector, the backup's passphrase.</remarks>
public sealed partial class DiskKeyRing
{
    /// <summary>Records that are given to the repository at once.</summary>
    private const int Batch = 1000;

    /// <summary>Writes every record into a file that opens by a passphrase of its own, on any host.</summary>
    /// <param name="passphrase">Borrowed.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.FileExists"/>.</exception>
    public async Task<long> BackupAsync(string path, SecretBuffer passphrase, KdfCost cost, bool replace, CancellationToken cancellationToken)
    {
        IReadOnlyList<DiskKeyEntry> entries = await _repository.FindAsync(term: null, _key, cancellationToken);
        var id = Guid.NewGuid();
        using var key = new StoreKey(SecretBuffer.Random(StoreKey.Size), id);
        KeyProtector protector = await KeyProtection.MakeAsync(NewKeyProtector.OfPassphrase(passphrase, cost), id, key.Raw, _clock.GetUtcNow(), cancellationToken);
        DiskKeyEntry[] wrapped = [.. entries.Select(entry => Rewrap(entry, _key, key))];
        byte[] file = KeyStoreWriter.Build(new KeyStoreHead(id, [protector]), wrapped, changes: 0, key);
        await using (PendingFile pending = await PendingFile.CreateAsync(path, new FileCreateOptions { Length = file.Length }, replace, cancellationToken))
        {
            await pending.Device.WriteAsync(0, file, cancellationToken);
            await pending.CommitAsync(cancellationToken);
        }

        await _audit.WriteAsync("KeyStore.Backup", _repository.Name, _key.Store, changes: 0, ("file", path), ("keys", $"{wrapped.Length}"));
        return wrapped.Length;
    }

    /// <summary>Takes the records of a backup into this store. A disk that has one keeps it, or with <paramref name="replace"/> gets the backup's.</summary>
    /// <param name="passphrase">The backup's, borrowed.</param>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.KeyStoreLocked"/>.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.KeyStoreDamaged"/>, <see cref="ErrorIds.KeyStoreForged"/>: nothing was changed.</exception>
    public async Task<KeyStoreRestoration> RestoreAsync(string path, SecretBuffer passphrase, bool replace, CancellationToken cancellationToken)
    {
        await using FileDevice device = await FileDevice.OpenAsync(path, new LocalDiskOptions { Locking = ImageLocking.None }, cancellationToken);
        KeyStoreHead head = (await KeyStoreView.OpenAsync(device, key: null, cancellationToken)).Head;
        using StoreKey key = await KeyProtection.OpenAsync(head, passphrase, cancellationToken);
        List<DiskKeyEntry> stored = await (await KeyStoreView.OpenAsync(device, key, cancellationToken)).ListAsync(cancellationToken);
        ILookup<string, DiskKeyEntry> here = (await _repository.FindAsync(term: null, _key, cancellationToken)).ToLookup(entry => entry.Disk.Path, StringComparer.Ordinal);

        var puts = new List<KeyChange.Put>();
        foreach (DiskKeyEntry entry in stored)
        {
            DiskKeyEntry? old = here[entry.Disk.Path].FirstOrDefault(other => other.Disk.LuksUuid == entry.Disk.LuksUuid);
            if (old is null || replace)
            {
                puts.Add(new KeyChange.Put(Rewrap(entry, key, _key, old?.Id ?? Guid.NewGuid()) with { Revision = (old?.Revision ?? 0) + 1 }));
            }
        }

        long changes = 0;
        foreach (KeyChange.Put[] batch in puts.Chunk(Batch))
        {
            changes = await _repository.ChangeAsync(_key, batch, cancellationToken);
        }

        await _audit.WriteAsync("KeyStore.Restore", _repository.Name, _key.Store, changes, ("file", path), ("keys", $"{puts.Count}"));
        return new KeyStoreRestoration(puts.Count, stored.Count - puts.Count);
    }

    private static DiskKeyEntry Rewrap(DiskKeyEntry entry, StoreKey from, StoreKey to, Guid? id = null)
    {
        Guid into = id ?? entry.Id;
        return entry with { Id = into, Current = Rewrap(entry.Current), Pending = entry.Pending is null ? null : Rewrap(entry.Pending) };

        WrappedSecret Rewrap(WrappedSecret wrapped)
        {
            using SecretBuffer secret = from.Unwrap(entry, wrapped);
            return to.Wrap(into, entry.Disk, wrapped.Role, wrapped.Slot, secret);
        }
    }
}

/// <summary>What came of a backup.</summary>
/// <param name="Restored">Keys that were taken into the store.</param>
/// <param name="Kept">Keys of the backup whose disks had one in the store already.</param>
public sealed record KeyStoreRestoration(int Restored, int Kept);
