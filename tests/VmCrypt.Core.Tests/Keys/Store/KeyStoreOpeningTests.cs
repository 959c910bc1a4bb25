using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Keys.Store.Protectors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Luks;

namespace VmCrypt.Core.Tests.Keys.Store;

/// <summary>What opens a key store, and what does not.</summary>
public sealed class KeyStoreOpeningTests
{
    private static readonly KdfCost s_quick = KdfCost.OfArgon2(KdfKind.Argon2id, KdfCost.MinPasses, memoryKiB: 64, lanes: 1);

    private static CancellationToken Token => Sample.Token;

    [Fact]
    public async Task Only_the_right_master_passphrase_opens()
    {
        using var folder = new StoreFolder();
        using SecretBuffer master = Sample.Secret("master");
        using SecretBuffer wrong = Sample.Secret("Master");
        await folder.Store.CreateAsync(NewKeyProtector.OfPassphrase(master, s_quick), Token);

        (await folder.Store.UnlockAsync(master, Token)).Dispose();
        var fault = await Assert.ThrowsAsync<WrongKeyException>(() => folder.Store.UnlockAsync(wrong, Token));
        Assert.Equal(ErrorIds.KeyStoreLocked, fault.ErrorId);
        fault = await Assert.ThrowsAsync<WrongKeyException>(() => folder.Store.UnlockAsync(passphrase: null, Token));
        Assert.Equal(ErrorIds.KeyStoreLocked, fault.ErrorId);
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.GroupWrite)]
    public async Task A_key_file_that_others_can_read_or_change_opens_nothing(UnixFileMode others)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has access lists in the place of modes.");
        using StoreFolder folder = await StoreFolder.MakeAsync();
        File.SetUnixFileMode(folder.KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | others);

        var fault = await Assert.ThrowsAsync<WrongKeyException>(folder.UnlockAsync);
        Assert.Equal(ErrorIds.ConfigurationUnsafe, (fault.InnerException as VmCryptException)?.ErrorId);
    }

    [Fact]
    public async Task The_file_is_for_its_owner_alone()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has access lists in the place of modes.");
        using StoreFolder folder = await StoreFolder.MakeAsync();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(folder.File));
        File.SetUnixFileMode(folder.File, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);

        var fault = await Assert.ThrowsAsync<RefusedException>(() => folder.Store.ListAsync(Token));
        Assert.Equal(ErrorIds.ConfigurationUnsafe, fault.ErrorId);
    }

    [Fact]
    public async Task A_store_is_made_once_and_missed_where_it_is_not()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        var there = await Assert.ThrowsAsync<RefusedException>(() => folder.Store.CreateAsync(NewKeyProtector.OfKeyFile(folder.KeyFile), Token));
        Assert.Equal(ErrorIds.KeyStoreExists, there.ErrorId);

        DiskKeyStore none = DiskKeyStore.Of(new ConfigurationFolder(folder.Scratch["none"]));
        Assert.Equal(ErrorIds.KeyStoreMissing, (await Assert.ThrowsAsync<MissingException>(() => none.ListAsync(Token))).ErrorId);
        Assert.Equal(ErrorIds.KeyStoreMissing, (await Assert.ThrowsAsync<MissingException>(() => none.UnlockAsync(null, Token))).ErrorId);
    }

    [Fact]
    public async Task Describes_itself_without_a_key()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        await folder.RegisterAsync("web");

        KeyStoreFacts facts = await folder.Store.DescribeAsync(Token);
        KeyProtectorFacts protector = Assert.Single(facts.Protectors);
        Assert.Equal((1L, true, folder.File), (facts.Entries, facts.IsUnattended, facts.Location));
        Assert.Equal((KeyProtectorKind.KeyFile, folder.KeyFile), (protector.Kind, protector.Detail));
    }

    [Fact]
    public async Task Protectors_that_are_added_at_the_same_time_are_all_there()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        using DiskKeyRing ring = await folder.UnlockAsync();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(number => ring.AddProtectorAsync(NewKeyProtector.OfKeyFile(folder.Scratch[$"{number}.key"]), Token)));

        Assert.Equal(5, (await folder.Store.DescribeAsync(Token)).Protectors.Length);
    }
}
