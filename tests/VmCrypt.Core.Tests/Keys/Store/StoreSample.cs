using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Keys.Store.Files;
using VmCrypt.Core.Keys.Store.Protectors;
using VmCrypt.Core.Tests.Luks;

namespace VmCrypt.Core.Tests.Keys.Store;

/// <summary>Key store files in memory, under a key that tests know.</summary>
internal static class StoreSample
{
    private static readonly Guid s_store = Guid.Parse("0f0e0d0c-0b0a-0908-0706-050403020100");
    private static readonly DateTimeOffset s_created = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private static readonly KeyStoreHead s_head = new(s_store,
    [
        new KeyProtector
        {
            Id = s_store, Kind = KeyProtectorKind.KeyFile, Created = s_created, Path = "/root/store.key", Salt = new byte[KeyFileProtection.SaltSize],
            Nonce = new byte[WrappedSecret.NonceSize], Tag = new byte[WrappedSecret.TagSize], WrappedKey = new byte[StoreKey.Size],
        },
    ]);

    public static StoreKey Key() => new(SecretBuffer.CopyOf([.. Enumerable.Range(0, StoreKey.Size).Select(i => (byte)i)]), s_store);

    public static DiskKeyEntry Entry(StoreKey key, int number, int secretLength = 16)
    {
        var id = new Guid(number + 1, 0, 0, new byte[8]);
        var disk = new DiskIdentity { Path = $"/vm/{number}.qcow2", LuksUuid = $"luks-{number}", VM = $"vm{number % 10}" };
        using var secret = new SecretBuffer(secretLength);
        secret.Span.Fill((byte)number);
        return new DiskKeyEntry { Id = id, Disk = disk, Created = s_created, Revision = 1, Current = key.Wrap(id, disk, SecretRole.Current, 0, secret) };
    }

    public static byte[] Build(StoreKey key, int entries) =>
        KeyStoreWriter.Build(s_head, [.. Enumerable.Range(0, entries).Select(number => Entry(key, number))], changes: 0, key);

    /// <summary>The file with one change appended.</summary>
    public static async Task ChangeAsync(IBlockDevice device, StoreKey key, params KeyChange[] changes)
    {
        KeyStoreView view = await KeyStoreView.OpenAsync(device, key, Sample.Token);
        byte[] frames = await KeyStoreEditor.FramesAsync(view, key, changes, Sample.Token);
        await KeyStoreWriter.AppendAsync(device, view, frames, key, Sample.Token);
    }

    public static async Task<List<DiskKeyEntry>> ListAsync(IBlockDevice device, StoreKey? key) =>
        await (await KeyStoreView.OpenAsync(device, key, Sample.Token)).ListAsync(Sample.Token);
}
