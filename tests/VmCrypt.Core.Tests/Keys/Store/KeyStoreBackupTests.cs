using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Luks;

namespace VmCrypt.Core.Tests.Keys.Store;

public sealed class KeyStoreBackupTests
{
    private static readonly KdfCost s_quick = KdfCost.OfArgon2(KdfKind.Argon2id, KdfCost.MinPasses, memoryKiB: 64, lanes: 1);

    private static CancellationToken Token => Sample.Token;

    [Fact]
    public async Task A_backup_is_restored_on_another_host()
    {
        using StoreFolder here = await StoreFolder.MakeAsync();
        using StoreFolder there = await StoreFolder.MakeAsync();
        await here.RegisterAsync("web", "of web");
        await here.RegisterAsync("db", "of db");
        await here.SecretOfAsync("web");
        await BackupAsync(here);
        await there.RegisterAsync("db", "of another db");

        KeyStoreRestoration restored = await RestoreAsync(there, here);

        Assert.Equal(new KeyStoreRestoration(1, 1), restored);
        Assert.Equal("of web", await there.SecretOfAsync("web"));
        Assert.Equal("of another db", await there.SecretOfAsync("db"));
        Assert.Equal(2, (await there.Store.OfPathAsync(StoreFolder.Disk("web").Path, Token))[0].UseCount);
    }

    [Fact]
    public async Task Asked_to_it_replaces_what_is_there()
    {
        using StoreFolder here = await StoreFolder.MakeAsync();
        await here.RegisterAsync("web", "of the backup");
        await BackupAsync(here);
        using DiskKeyRing ring = await here.UnlockAsync();
        using SecretBuffer later = Sample.Secret("later");
        await ring.ReplaceAsync((await here.Store.ListAsync(Token))[0], StoreFolder.Disk("web"), later, slot: 0, Token);

        Assert.Equal(new KeyStoreRestoration(1, 0), await RestoreAsync(here, here, replace: true));
        Assert.Equal("of the backup", await here.SecretOfAsync("web"));
        Assert.Single(await here.Store.ListAsync(Token));
    }

    [Fact]
    public async Task It_opens_by_its_own_passphrase_alone_and_replaces_no_file_unasked()
    {
        using StoreFolder here = await StoreFolder.MakeAsync();
        await here.RegisterAsync("web", "very secret words");
        await BackupAsync(here);
        using DiskKeyRing ring = await here.UnlockAsync();
        using SecretBuffer wrong = Sample.Secret("wrong");

        Assert.Equal(-1, File.ReadAllBytes(here.Scratch["backup"]).AsSpan().IndexOf("very secret words"u8));
        Assert.Equal(ErrorIds.KeyStoreLocked, (await Assert.ThrowsAsync<WrongKeyException>(() => ring.RestoreAsync(here.Scratch["backup"], wrong, false, Token))).ErrorId);
        Assert.Equal(ErrorIds.FileExists, (await Assert.ThrowsAsync<RefusedException>(() => BackupAsync(here))).ErrorId);
    }

    [Fact]
    public async Task A_backup_that_was_changed_restores_nothing()
    {
        using StoreFolder here = await StoreFolder.MakeAsync();
        using StoreFolder there = await StoreFolder.MakeAsync();
        await here.RegisterAsync("web");
        await here.RegisterAsync("db");
        await BackupAsync(here);
        byte[] file = File.ReadAllBytes(here.Scratch["backup"]);
        for (int at = 4200; at < file.Length; at += 127)
        {
            byte[] changed = [.. file];
            changed[at] ^= 0x10;
            File.WriteAllBytes(here.Scratch["backup"], changed);
            try
            {
                await RestoreAsync(there, here);
            }
            catch (VmCryptException fault) when (fault.ErrorId is ErrorIds.KeyStoreDamaged or ErrorIds.KeyStoreForged or ErrorIds.KeyStoreLocked or ErrorIds.KeyProtectorInvalid)
            {
                Assert.Empty(await there.Store.ListAsync(Token));
                continue;
            }

            // What lies between the parts of the file, and in its index, says nothing of the records.
            Assert.Equal("a secret", await there.SecretOfAsync("web"));
            using DiskKeyRing ring = await there.UnlockAsync();
            foreach (DiskKeyEntry entry in await there.Store.ListAsync(Token))
            {
                await ring.UnregisterAsync(entry, Token);
            }
        }
    }

    private static async Task BackupAsync(StoreFolder folder)
    {
        using DiskKeyRing ring = await folder.UnlockAsync();
        using SecretBuffer passphrase = Sample.Secret("of the backup");
        await ring.BackupAsync(folder.Scratch["backup"], passphrase, s_quick, replace: false, Token);
    }

    private static async Task<KeyStoreRestoration> RestoreAsync(StoreFolder into, StoreFolder from, bool replace = false)
    {
        using DiskKeyRing ring = await into.UnlockAsync();
        using SecretBuffer passphrase = Sample.Secret("of the backup");
        return await ring.RestoreAsync(from.Scratch["backup"], passphrase, replace, Token);
    }
}
