using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Keys.Store.Files;
using VmCrypt.Core.Keys.Store.Protectors;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Luks;

namespace VmCrypt.Core.Tests.Keys.Store;

/// <summary>The key store as the commands use it.</summary>
public sealed class DiskKeyStoreTests
{
    private static CancellationToken Token => Sample.Token;

    [Fact]
    public async Task A_secret_comes_back_by_the_path_of_its_disk()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        await folder.RegisterAsync("web");

        Assert.Equal("a secret", await folder.SecretOfAsync("web"));
    }

    [Fact]
    public async Task The_file_and_the_audit_log_hold_no_secret()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        await folder.RegisterAsync("web", "very secret words");
        await folder.SecretOfAsync("web");

        Assert.Equal(-1, File.ReadAllBytes(folder.File).AsSpan().IndexOf("very secret words"u8));
        Assert.DoesNotContain(folder.Audit(), line => line.Contains("very secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Every_use_is_counted_and_written_down()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        await folder.RegisterAsync("web");
        folder.Clock.Advance(TimeSpan.FromHours(1));
        await folder.SecretOfAsync("web");
        await folder.SecretOfAsync("web");

        DiskKeyEntry entry = Assert.Single(await folder.Store.OfVMAsync("WEB01", Token));
        Assert.Equal(2, entry.UseCount);
        Assert.Equal(folder.Clock.GetUtcNow(), entry.LastUsed);
        Assert.Equal(2, folder.Audit().Count(line => line.Contains("\"DiskKey.Use\"", StringComparison.Ordinal) && line.Contains("\"vm\":\"web01\"", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_disk_is_found_by_all_of_its_names()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        DiskKeyEntry made = await folder.RegisterAsync("web");

        Assert.Equal(made.Id, Assert.Single(await folder.Store.OfVMAsync("web01", Token)).Id);
        Assert.Equal(made.Id, Assert.Single(await folder.Store.OfVMAsync(StoreFolder.WebUuid.ToString(), Token)).Id);
        Assert.Equal(made.Id, Assert.Single(await folder.Store.OfPathAsync(made.Disk.Path, Token)).Id);
        Assert.Equal(made.Disk, Assert.Single(await folder.Store.ListAsync(Token)).Disk);
        Assert.Empty(await folder.Store.OfVMAsync("web02", Token));
    }

    [Fact]
    public async Task A_moved_image_is_found_by_its_header_and_another_image_at_its_path_is_not()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        DiskKeyEntry made = await folder.RegisterAsync("web");
        using DiskKeyRing ring = await folder.UnlockAsync();

        Assert.Equal(made.Id, (await ring.RequireOfImageAsync(DiskLocation.Parse("/elsewhere"), "LUKS-web", Token)).Id);
        var other = await Assert.ThrowsAsync<MissingException>(() => ring.RequireOfImageAsync(DiskLocation.Parse(made.Disk.Path), "luks-other", Token));
        Assert.Equal(ErrorIds.DiskKeyMissing, other.ErrorId);
    }

    [Fact]
    public async Task Copies_of_an_image_elsewhere_are_ambiguous()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        using DiskKeyRing ring = await folder.UnlockAsync();
        using SecretBuffer secret = Sample.Secret("x");
        await ring.RegisterAsync(new DiskIdentity { Path = "/a", LuksUuid = "same" }, secret, slot: null, Token);
        await ring.RegisterAsync(new DiskIdentity { Path = "/b", LuksUuid = "same" }, secret, slot: null, Token);

        Assert.Equal("/a", (await ring.RequireOfImageAsync(DiskLocation.Parse("/a"), "same", Token)).Disk.Path);
        var fault = await Assert.ThrowsAsync<InvalidInputException>(() => ring.RequireOfImageAsync(DiskLocation.Parse("/c"), "same", Token));
        Assert.Equal(ErrorIds.DiskKeyAmbiguous, fault.ErrorId);
    }

    [Fact]
    public async Task A_disk_is_registered_once()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        await folder.RegisterAsync("web");

        var fault = await Assert.ThrowsAsync<RefusedException>(() => folder.RegisterAsync("web"));
        Assert.Equal(ErrorIds.DiskKeyExists, fault.ErrorId);
    }

    [Fact]
    public async Task A_replaced_secret_keeps_the_record_and_its_uses()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        DiskKeyEntry made = await folder.RegisterAsync("web");
        await folder.SecretOfAsync("web");
        using DiskKeyRing ring = await folder.UnlockAsync();
        using SecretBuffer other = Sample.Secret("another");
        await ring.ReplaceAsync(made, made.Disk, other, slot: 3, Token);

        DiskKeyEntry entry = Assert.Single(await folder.Store.ListAsync(Token));
        Assert.Equal((made.Id, 3, 1L), (entry.Id, entry.Slot, entry.UseCount));
        Assert.Equal("another", await folder.SecretOfAsync("web"));
    }

    [Fact]
    public async Task Of_several_headers_at_one_path_the_one_that_is_there_is_replaced()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        using DiskKeyRing ring = await folder.UnlockAsync();
        using SecretBuffer secret = Sample.Secret("x");
        DiskKeyEntry former = await ring.RegisterAsync(new DiskIdentity { Path = "/a", LuksUuid = "former" }, secret, slot: null, Token);
        DiskKeyEntry now = await ring.RegisterAsync(new DiskIdentity { Path = "/a", LuksUuid = "now" }, secret, slot: null, Token);
        DiskKeyEntry only = await ring.RegisterAsync(new DiskIdentity { Path = "/b", LuksUuid = "former" }, secret, slot: null, Token);

        Assert.Equal(now.Id, (await ring.StoreAsync(now.Disk, secret, slot: 2, Token)).Id);
        Assert.Equal(only.Id, (await ring.StoreAsync(only.Disk with { LuksUuid = "now" }, secret, slot: null, Token)).Id);
        await ring.StoreAsync(new DiskIdentity { Path = "/c" }, secret, slot: null, Token);
        Assert.Equal(["/a former ", "/a now 2", "/b now ", "/c  "],
            (await folder.Store.ListAsync(Token)).Select(entry => $"{entry.Disk.Path} {entry.Disk.LuksUuid} {entry.Slot}").Order(StringComparer.Ordinal));
        Assert.Equal(1, (await folder.Store.ListAsync(Token)).Single(entry => entry.Id == former.Id).Revision);
    }

    [Fact]
    public async Task Of_two_changes_of_one_record_the_later_is_refused()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        DiskKeyEntry made = await folder.RegisterAsync("web");
        using DiskKeyRing ring = await folder.UnlockAsync();
        using SecretBuffer other = Sample.Secret("another");
        await ring.ReplaceAsync(made, made.Disk, other, slot: 3, Token);

        var fault = await Assert.ThrowsAsync<DeviceBusyException>(() => ring.ReplaceAsync(made, made.Disk, other, slot: 4, Token));
        Assert.Equal(ErrorIds.DiskKeyChanged, fault.ErrorId);
    }

    [Fact]
    public async Task A_forgotten_key_is_gone()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        DiskKeyEntry made = await folder.RegisterAsync("web");
        using DiskKeyRing ring = await folder.UnlockAsync();
        await ring.UnregisterAsync(made, Token);

        Assert.Empty(await folder.Store.ListAsync(Token));
        var fault = await Assert.ThrowsAsync<MissingException>(() => ring.UnregisterAsync(made, Token));
        Assert.Equal(ErrorIds.DiskKeyMissing, fault.ErrorId);
        Assert.Contains(folder.Audit(), line => line.Contains("\"DiskKey.Unregister\"", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0, 10)]
    [InlineData(4097, 10)]
    [InlineData(10, 0)]
    [InlineData(10, 32769)]
    public async Task What_is_too_long_or_empty_is_not_stored(int path, int secret)
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        using DiskKeyRing ring = await folder.UnlockAsync();
        using var given = new SecretBuffer(secret);

        var fault = await Assert.ThrowsAsync<InvalidInputException>(
            () => ring.RegisterAsync(new DiskIdentity { Path = new string('/', path) }, given, slot: null, Token));
        Assert.Equal(ErrorIds.DiskKeyInvalid, fault.ErrorId);
        Assert.Empty(await folder.Store.ListAsync(Token));
    }

    [Fact]
    public async Task Everything_at_its_limit_is_stored()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        using DiskKeyRing ring = await folder.UnlockAsync();
        using var given = new SecretBuffer(WrappedSecret.MaxSecret);
        var disk = new DiskIdentity
        {
            Path = '/' + new string('p', 4095),
            HeaderPath = new string('h', 4096),
            LuksUuid = new string('l', 255),
            VM = string.Concat(Enumerable.Repeat("ü", 127)),
            VMUuid = Guid.NewGuid(),
            Pool = Guid.NewGuid(),
            Domain = Guid.NewGuid(),
            Image = Guid.NewGuid(),
        };
        await ring.RegisterAsync(disk, given, slot: 31, Token);

        Assert.Equal(disk, Assert.Single(await folder.Store.OfPathAsync(disk.Path, Token)).Disk);
    }

    [Fact]
    public async Task Many_changes_are_taken_into_the_index()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        using DiskKeyRing ring = await folder.UnlockAsync();
        using SecretBuffer secret = Sample.Secret(new string('s', 8000));
        var made = new List<DiskKeyEntry>();
        for (int number = 0; number < 40; number++)
        {
            made.Add(await ring.RegisterAsync(StoreFolder.Disk($"disk{number}"), secret, slot: null, Token));
        }

        await ring.UnregisterAsync(made[3], Token);
        Assert.Equal(made.Where(entry => entry != made[3]).Select(entry => entry.Id).Order(), (await folder.Store.ListAsync(Token)).Select(entry => entry.Id).Order());
        foreach (DiskKeyEntry entry in made)
        {
            Assert.Equal(entry == made[3] ? 0 : 1, (await folder.Store.OfPathAsync(entry.Disk.Path, Token)).Count);
        }
    }

    [Fact]
    public async Task Writers_of_several_processes_lose_nothing()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(writer => Task.Run(async () =>
        {
            for (int number = 0; number < 5; number++)
            {
                await folder.RegisterAsync($"disk-{writer}-{number}", new string('x', 4000));
            }
        })));

        Assert.Equal(20, (await folder.Store.ListAsync(Token)).Select(entry => entry.Disk.Path).Distinct().Count());
    }

    [Fact]
    public async Task A_store_that_was_put_back_to_an_earlier_state_is_told_by_the_audit_log()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        await folder.RegisterAsync("web");
        byte[] earlier = File.ReadAllBytes(folder.File);
        await folder.RegisterAsync("db");
        using (DiskKeyRing now = await folder.UnlockAsync())
        {
            Assert.Equal((2, 2), ((int)(await now.VerifyAsync(Token)).Entries, (int)(await now.VerifyAsync(Token)).Changes));
        }

        File.WriteAllBytes(folder.File, earlier);
        using DiskKeyRing ring = await folder.UnlockAsync();
        Assert.Equal(ErrorIds.KeyStoreRolledBack, (await Assert.ThrowsAsync<InvalidImageException>(() => ring.VerifyAsync(Token))).ErrorId);
    }

    [Fact]
    public async Task What_somebody_changes_while_the_store_is_checked_is_no_earlier_state()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        using DiskKeyRing other = await folder.UnlockAsync();
        using SecretBuffer secret = Sample.Secret("x");
        KeyStoreHead head = (await new KeyStoreFile(folder.Configuration).ReadHeadAsync(Token))!;
        var busy = new BusyKeys(folder.Configuration, () => other.RegisterAsync(StoreFolder.Disk("web"), secret, slot: 0, Token));
        using var ring = new DiskKeyRing(busy, await KeyProtection.OpenAsync(head, passphrase: null, Token), new KeyStoreAudit(folder.Configuration), folder.Clock);

        Assert.Equal(0, (await ring.VerifyAsync(Token)).Changes);
        Assert.Single(await folder.Store.ListAsync(Token));
    }

    [Fact]
    public async Task A_stored_key_is_tried_by_really_unlocking()
    {
        using StoreFolder folder = await StoreFolder.MakeAsync();
        SlotDisk disk = await SlotDisk.MakeAsync(folder.Scratch, SlotDiskKind.Qcow2);
        using DiskKeyRing ring = await folder.UnlockAsync();
        using SecretBuffer secret = Sample.Secret(SlotDisk.Passphrase);
        DiskLocation location = DiskLocation.Parse(folder.Scratch["disk"]);
        string uuid = (await ImageInspector.DescribeAsync(location, DiskOpenOptions.Default, Token)).Luks!.Uuid;
        DiskKeyEntry good = await ring.RegisterAsync(new DiskIdentity { Path = location.Text, LuksUuid = uuid }, secret, slot: 0, Token);
        DiskKeyEntry other = await ring.RegisterAsync(new DiskIdentity { Path = location.Text, LuksUuid = "another" }, secret, slot: 0, Token);
        DiskKeyEntry gone = await ring.RegisterAsync(new DiskIdentity { Path = folder.Scratch["gone"] }, secret, slot: 0, Token);

        Assert.Equal((DiskKeyState.Good, 0), (await StateAsync(good), (await ring.TryAsync(good, Token)).Slot));
        Assert.Equal(DiskKeyState.OtherHeader, await StateAsync(other));
        Assert.Equal(DiskKeyState.ImageMissing, await StateAsync(gone));
        Assert.Equal(DiskKeyState.Forged, await StateAsync(good with { Current = other.Current }));

        await disk.ChangeAsync(SlotDisk.Passphrase, "changed without the store");
        Assert.Equal(DiskKeyState.Stale, await StateAsync(good));

        async Task<DiskKeyState> StateAsync(DiskKeyEntry entry) => (await ring.TryAsync(entry, Token)).State;
    }
}
