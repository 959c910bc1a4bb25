using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store.Protectors;

namespace VmCrypt.Core.Keys.Store.Files;

/// <summary>The key store of one host: one file, read by look-ups without a lock, changed by one process at a time.</summary>
/// <remarks>Format and crash behaviour: docs/formats/key-store.md.</remarks>
internal sealed class KeyStoreFile(ConfigurationFolder folder) : IKeyRepository
{
    public const string FileName = "disk-keys.vks";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly string _path = folder[FileName];

    public string Name => _path;

    public async Task<KeyStoreHead?> ReadHeadAsync(CancellationToken cancellationToken)
    {
        if (!File.Exists(_path))
        {
            return null;
        }

        await using IBlockDevice device = await OpenAsync(writable: false, cancellationToken);
        return (await KeyStoreView.OpenAsync(device, key: null, cancellationToken)).Head;
    }

    public async Task CreateAsync(KeyStoreHead head, StoreKey key, CancellationToken cancellationToken)
    {
        folder.Create();
        using FileLock gate = await FileLock.TakeAsync(_path, s_patience, cancellationToken);
        if (File.Exists(_path))
        {
            throw new RefusedException(ErrorIds.KeyStoreExists, $"There is a key store already, '{_path}'.");
        }

        await WriteAsync(KeyStoreWriter.Build(head, [], changes: 0, key), cancellationToken);
    }

    public async Task<IReadOnlyList<DiskKeyEntry>> FindAsync(LookupTerm? term, StoreKey? key, CancellationToken cancellationToken)
    {
        await using IBlockDevice device = await OpenAsync(writable: false, cancellationToken);
        KeyStoreView view = await KeyStoreView.OpenAsync(device, key, cancellationToken);
        return term is { } wanted ? await view.FindAsync(wanted, cancellationToken) : await view.ListAsync(cancellationToken);
    }

    public async Task<long> ChangeAsync(StoreKey key, IReadOnlyList<KeyChange> changes, CancellationToken cancellationToken)
    {
        using FileLock gate = await FileLock.TakeAsync(_path, s_patience, cancellationToken);
        await using IBlockDevice device = await OpenAsync(writable: true, cancellationToken);
        KeyStoreView view = await KeyStoreView.OpenAsync(device, key, cancellationToken);
        byte[] frames = await KeyStoreEditor.FramesAsync(view, key, changes, cancellationToken);
        if (view.TailLength + frames.Length <= KeyStoreWriter.MaxTail)
        {
            await KeyStoreWriter.AppendAsync(device, view, frames, key, cancellationToken);
        }
        else
        {
            List<DiskKeyEntry> all = await view.ListAsync(cancellationToken);
            await WriteAsync(KeyStoreWriter.Build(view.Head, all, view.Commit.Changes + 1, key), cancellationToken);
        }

        return view.Commit.Changes + 1;
    }

    public async Task<long> ProtectAsync(StoreKey key, Func<IReadOnlyList<KeyProtector>, IReadOnlyList<KeyProtector>> change, CancellationToken cancellationToken)
    {
        using FileLock gate = await FileLock.TakeAsync(_path, s_patience, cancellationToken);
        await using IBlockDevice device = await OpenAsync(writable: true, cancellationToken);
        KeyStoreView view = await KeyStoreView.OpenAsync(device, key, cancellationToken);
        KeyStoreHead head = view.Head with { Protectors = change(view.Head.Protectors) };
        List<DiskKeyEntry> all = await view.ListAsync(cancellationToken);
        await WriteAsync(KeyStoreWriter.Build(head, all, view.Commit.Changes + 1, key), cancellationToken);
        return view.Commit.Changes + 1;
    }

    public async Task<KeyStoreState> VerifyAsync(StoreKey key, CancellationToken cancellationToken)
    {
        await using IBlockDevice device = await OpenAsync(writable: false, cancellationToken);
        KeyStoreView view = await KeyStoreView.OpenAsync(device, key, cancellationToken);
        List<DiskKeyEntry> all = await view.ListAsync(cancellationToken);
        await view.VerifyIndexAsync(cancellationToken);
        return new KeyStoreState(all.Count, view.Commit.Changes);
    }

    // Our own lock keeps writers apart, and a look-up must not keep a VM from starting: so no image locks.
    private async ValueTask<IBlockDevice> OpenAsync(bool writable, CancellationToken cancellationToken)
    {
        if (!File.Exists(_path))
        {
            throw new MissingException(ErrorIds.KeyStoreMissing, $"There is no key store '{_path}'; make one with New-DiskKeyStore.");
        }

        SecretFile.RequirePrivate(_path);
        return await FileDevice.OpenAsync(_path, new LocalDiskOptions { Writable = writable, Locking = ImageLocking.None }, cancellationToken);
    }

    private async Task WriteAsync(byte[] file, CancellationToken cancellationToken)
    {
        await using PendingFile pending = await PendingFile.CreateAsync(_path, new FileCreateOptions { Length = file.Length }, replace: true, cancellationToken);
        await pending.Device.WriteAsync(0, file, cancellationToken);
        await pending.CommitAsync(cancellationToken);
    }
}
