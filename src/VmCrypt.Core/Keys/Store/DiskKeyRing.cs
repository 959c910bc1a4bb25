using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Keys.Store;

/// <summary>An unlocked key store; whoever has it has every key in it.</summary>
public sealed partial class DiskKeyRing : IDisposable
{
    private readonly IKeyRepository _repository;
    private readonly StoreKey _key;
    private readonly KeyStoreAudit _audit;
    private readonly TimeProvider _clock;

    internal DiskKeyRing(IKeyRepository repository, StoreKey key, KeyStoreAudit audit, TimeProvider clock)
    {
        _repository = repository;
        _key = key;
        _audit = audit;
        _clock = clock;
    }

    /// <summary>The records of a VM by its name or UUID, checked to belong to the store.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.DiskKeyMissing"/>.</exception>
    public async Task<IReadOnlyList<DiskKeyEntry>> RequireOfVMAsync(string vm, CancellationToken cancellationToken) =>
        await _repository.FindAsync(LookupTerm.OfVM(vm), _key, cancellationToken) is { Count: > 0 } found
            ? found
            : throw new MissingException(ErrorIds.DiskKeyMissing, $"The key store holds no key for a disk of the VM '{vm}'.");

    /// <summary><see cref="RequireOfImageAsync(DiskLocation, string?, CancellationToken)"/>, after a look at the image's header, also while a VM uses it.</summary>
    public async Task<DiskKeyEntry> RequireOfImageAsync(DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        ImageDescription image = await ImageInspector.DescribeAsync(location, options with { HeadersOnly = true }, cancellationToken);
        return await RequireOfImageAsync(location, image.Luks?.Uuid, cancellationToken);
    }

    /// <summary>The record of an image: the one of its path, or, where the image was moved, of its LUKS header.</summary>
    /// <param name="luksUuid">What the image's header calls itself; null where nobody has read it.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.DiskKeyMissing"/>.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.DiskKeyAmbiguous"/>.</exception>
    public async Task<DiskKeyEntry> RequireOfImageAsync(DiskLocation location, string? luksUuid, CancellationToken cancellationToken)
    {
        IReadOnlyList<DiskKeyEntry> byPath = await _repository.FindAsync(LookupTerm.OfPath(location.Text), _key, cancellationToken);
        DiskKeyEntry[] found = [.. byPath.Where(entry => luksUuid is null || entry.Disk.LuksUuid is null || IsSame(entry.Disk.LuksUuid, luksUuid))];
        if (found.Length == 0 && luksUuid is not null)
        {
            found = [.. await _repository.FindAsync(LookupTerm.OfLuks(luksUuid), _key, cancellationToken)];
        }

        return found switch
        {
            [var one] => one,
            [] => throw new MissingException(ErrorIds.DiskKeyMissing, byPath.Count == 0
                ? $"The key store holds no key for {location}."
                : $"The key store holds a key for {location}, but for another LUKS header than the one that is there now."),
            _ => throw new InvalidInputException(ErrorIds.DiskKeyAmbiguous,
                $"The key store holds {found.Length} keys for {location}: {string.Join(", ", found.Select(entry => entry.Disk.Path))}."),
        };
    }

    /// <summary>Stores the secret of a disk that has none here. The caller has proven that it opens the disk.</summary>
    /// <param name="secret">Borrowed.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.DiskKeyExists"/>.</exception>
    public Task<DiskKeyEntry> RegisterAsync(DiskIdentity disk, SecretBuffer secret, int? slot, CancellationToken cancellationToken)
    {
        var id = Guid.NewGuid();
        return PutAsync("DiskKey.Register", new DiskKeyEntry
        {
            Id = id,
            Disk = Valid(disk),
            Created = _clock.GetUtcNow(),
            Current = _key.Wrap(id, disk, SecretRole.Current, slot, secret),
        }, cancellationToken);
    }

    /// <summary>Replaces what is stored of a disk; a rotation that was begun is forgotten with it.</summary>
    public Task<DiskKeyEntry> ReplaceAsync(DiskKeyEntry old, DiskIdentity disk, SecretBuffer secret, int? slot, CancellationToken cancellationToken) =>
        PutAsync("DiskKey.Replace", old with
        {
            Disk = Valid(disk),
            Current = _key.Wrap(old.Id, disk, SecretRole.Current, slot, secret),
            Pending = null,
        }, cancellationToken);

    /// <summary>Stores the secret of a disk in the place of what is stored of it: of its own LUKS header, or else of another one that its path had.</summary>
    /// <inheritdoc cref="RegisterAsync"/>
    internal async Task<DiskKeyEntry> StoreAsync(DiskIdentity disk, SecretBuffer secret, int? slot, CancellationToken cancellationToken)
    {
        IReadOnlyList<DiskKeyEntry> there = await _repository.FindAsync(LookupTerm.OfPath(disk.Path), _key, cancellationToken);
        DiskKeyEntry? old = there.FirstOrDefault(entry => entry.Disk.LuksUuid == disk.LuksUuid) ?? (there is [var other, ..] ? other : null);
        return old is not null
            ? await ReplaceAsync(old, disk, secret, slot, cancellationToken)
            : await RegisterAsync(disk, secret, slot, cancellationToken);
    }

    public async Task UnregisterAsync(DiskKeyEntry entry, CancellationToken cancellationToken)
    {
        long changes = await _repository.ChangeAsync(_key, [new KeyChange.Remove(entry.Id)], cancellationToken);
        await _audit.WriteAsync("DiskKey.Unregister", entry, _key.Store, changes);
    }

    /// <summary>Hands out what opens the image, which is written down and counted before. The caller disposes it.</summary>
    /// <remarks>Where a rotation was interrupted, the two secrets are tried on the image.</remarks>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.DiskKeyForged"/>.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>: of two secrets, neither opens the image.</exception>
    public async Task<DiskKeys> TakeAsync(DiskKeyEntry entry, DiskLocation location, DiskOpenOptions options, int? slot, CancellationToken cancellationToken)
    {
        long changes = await _repository.ChangeAsync(_key, [new KeyChange.Use(entry.Id, _clock.GetUtcNow())], cancellationToken);
        await _audit.WriteAsync("DiskKey.Use", entry, _key.Store, changes);
        if (entry.Pending is null)
        {
            return new DiskKeys(_key.Unwrap(entry, entry.Current)) { Slot = slot };
        }

        foreach (WrappedSecret wrapped in entry.Secrets)
        {
            using SecretBuffer secret = _key.Unwrap(entry, wrapped);
            using var trial = new DiskKeys(secret.Copy()) { Slot = slot };
            if ((await KeySlots.TryAsync(location, options with { ForceShare = true }, trial, cancellationToken)).Opens)
            {
                return new DiskKeys(secret.Move()) { Slot = slot };
            }
        }

        throw new WrongKeyException(ErrorIds.WrongPassphrase, $"Neither the stored secret of {location} nor the one that was to replace it opens the image.");
    }

    public void Dispose() => _key.Dispose();

    private async Task<DiskKeyEntry> PutAsync(string action, DiskKeyEntry entry, CancellationToken cancellationToken)
    {
        entry = entry with { Revision = entry.Revision + 1 };
        long changes = await _repository.ChangeAsync(_key, [new KeyChange.Put(entry)], cancellationToken);
        await _audit.WriteAsync(action, entry, _key.Store, changes, ("slot", $"{entry.Slot}"));
        return entry;
    }

    private static DiskIdentity Valid(DiskIdentity disk)
    {
        disk.Validate();
        return disk;
    }

    private static bool IsSame(string uuid, string other) => string.Equals(uuid, other, StringComparison.OrdinalIgnoreCase);
}
