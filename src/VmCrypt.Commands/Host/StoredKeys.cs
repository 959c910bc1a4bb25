using System.Security;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Host;

/// <summary>The key store as a command that opens disks uses it: names the disks of VMs, and gives their secrets.</summary>
internal sealed class StoredKeys : IDisposable
{
    private readonly Dictionary<string, string?> _headers = new(StringComparer.Ordinal);
    private DiskKeyRing? _ring;

    private DiskKeyStore Store { get; } = DiskKeyStore.Of(ConfigurationFolder.Default);

    /// <summary>The detached header of the disk that was last taken in hand.</summary>
    public string? HeaderAtHand { get; private set; }

    /// <summary>The paths of a VM's disks.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.DiskKeyMissing"/>.</exception>
    public async ValueTask<IReadOnlyList<string>> PathsOfAsync(string vm, CancellationToken cancellationToken)
    {
        IReadOnlyList<DiskKeyEntry> entries = await Store.OfVMAsync(vm, cancellationToken);
        foreach (DiskKeyEntry entry in entries)
        {
            _headers[entry.Disk.Path] = entry.Disk.HeaderPath;
        }

        return entries.Count > 0
            ? [.. entries.Select(entry => entry.Disk.Path).Distinct(StringComparer.Ordinal)]
            : throw new MissingException(ErrorIds.DiskKeyMissing, $"The key store holds no key for a disk of the VM '{vm}'.");
    }

    public void TakeInHand(string path) => HeaderAtHand = _headers.GetValueOrDefault(path);

    /// <inheritdoc cref="KeyStoreAccess.Open"/>
    public void Open(ICommandHost shell, SecureString? passphrase, Func<Func<CancellationToken, ValueTask<DiskKeyRing>>, DiskKeyRing> run) =>
        _ring ??= KeyStoreAccess.Open(shell, Store, passphrase, run);

    /// <summary>What opens an image; the caller disposes it.</summary>
    public async ValueTask<DiskKeys> TakeAsync(DiskLocation location, DiskOpenOptions options, int? slot, CancellationToken cancellationToken)
    {
        DiskKeyEntry entry = await _ring!.RequireOfImageAsync(location, options, cancellationToken);
        return await _ring.TakeAsync(entry, location, options, slot, cancellationToken);
    }

    /// <summary>Forgets the store's key; the next <see cref="Open"/> gets it again.</summary>
    public void Dispose()
    {
        _ring?.Dispose();
        _ring = null;
    }
}
