using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Database;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store;
using VmCrypt.Core.Keys.Store.Protectors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Interop.Tests.Database;

/// <summary>The key store of several hosts in a real PostgreSQL, which is also killed.</summary>
[Collection(nameof(PostgresHouse))]
public sealed class SharedKeysTests(PostgresHouse house) : IAsyncLifetime
{
    private readonly Scratch _scratch = new();
    private PostgresDatabase _server = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _server = await house.CreateAsync();

    public ValueTask DisposeAsync()
    {
        _scratch.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task One_host_registers_and_another_opens_and_the_server_sees_no_secret()
    {
        DiskKeyStore first = DiskKeyStore.Of(await SharedHost.MakeAsync(_scratch, _server, "first"));
        DiskKeyStore second = DiskKeyStore.Of(await SharedHost.MakeAsync(_scratch, _server, "second"));
        await first.CreateAsync(NewKeyProtector.OfKeyFile(_scratch["first.key"]), Token);
        using DiskKeyRing ring = await first.UnlockAsync(null, Token);
        using SecretBuffer secret = SharedHost.Secret("very secret words");
        DiskKeyEntry made = await ring.RegisterAsync(SharedHost.Disk("web"), secret, slot: 3, Token);
        await ring.AddProtectorAsync(NewKeyProtector.OfKeyFile(_scratch["second.key"]), Token);
        File.Delete(_scratch["first.key"]);

        using DiskKeyRing there = await second.UnlockAsync(null, Token);
        foreach (string name in new[] { "web01", "WEB01", "11111111-2222-3333-4444-555555555555" })
        {
            Assert.Equal(made.Id, Assert.Single(await second.OfVMAsync(name, Token)).Id);
        }

        DiskKeyEntry found = await there.RequireOfImageAsync(DiskLocation.Parse("/moved"), "LUKS-WEB", Token);
        Assert.Equal(made.Disk, found.Disk);
        Assert.Equal("very secret words", await TakeAsync(there, found));
        Assert.Equal((1L, 3), ((await first.ListAsync(Token))[0].UseCount, (await first.ListAsync(Token))[0].Slot));
        Assert.Equal(ErrorIds.DiskKeyExists, (await Assert.ThrowsAsync<RefusedException>(() => there.RegisterAsync(made.Disk, secret, null, Token))).ErrorId);

        string dump = _server.Dump();
        Assert.Contains("/vm/web.qcow2", dump, StringComparison.Ordinal);
        Assert.DoesNotContain("very secret words", dump, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToHexString("very secret words"u8), dump, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_record_changes_once_at_a_time_and_goes()
    {
        DiskKeyStore store = await MakeStoreAsync();
        using DiskKeyRing ring = await store.UnlockAsync(null, Token);
        using SecretBuffer secret = SharedHost.Secret("old");
        using SecretBuffer other = SharedHost.Secret("new");
        DiskKeyEntry made = await ring.RegisterAsync(SharedHost.Disk("web"), secret, slot: 0, Token);
        DiskKeyEntry replaced = await ring.ReplaceAsync(made, made.Disk with { VM = "db01" }, other, slot: 1, Token);

        Assert.Equal(ErrorIds.DiskKeyChanged, (await Assert.ThrowsAsync<DeviceBusyException>(() => ring.ReplaceAsync(made, made.Disk, other, slot: 2, Token))).ErrorId);
        Assert.Equal("new", await TakeAsync(ring, Assert.Single(await store.OfVMAsync("db01", Token))));
        Assert.Empty(await store.OfVMAsync("web01", Token));
        await ring.UnregisterAsync(replaced, Token);
        Assert.Empty(await store.ListAsync(Token));
        Assert.Equal(4, (await ring.VerifyAsync(Token)).Changes);
    }

    [Fact]
    public async Task Secrets_that_somebody_exchanged_on_the_server_open_nothing()
    {
        DiskKeyStore store = await MakeStoreAsync();
        using DiskKeyRing ring = await store.UnlockAsync(null, Token);
        using SecretBuffer secret = SharedHost.Secret("a secret");
        DiskKeyEntry web = await ring.RegisterAsync(SharedHost.Disk("web"), secret, slot: 0, Token);
        DiskKeyEntry db = await ring.RegisterAsync(SharedHost.Disk("db"), secret, slot: 0, Token);
        _server.Ask($"update vmcrypt.disk_key a set current_secret = b.current_secret from vmcrypt.disk_key b where a.id = '{web.Id}' and b.id = '{db.Id}'");

        DiskKeyEntry[] stored = [.. await store.OfPathAsync(web.Disk.Path, Token)];
        Assert.Equal(ErrorIds.DiskKeyForged, (await Assert.ThrowsAsync<InvalidImageException>(() => TakeAsync(ring, stored[0]))).ErrorId);
        Assert.Equal(ErrorIds.DiskKeyForged, (await Assert.ThrowsAsync<InvalidImageException>(() => ring.VerifyAsync(Token))).ErrorId);
        Assert.Equal("a secret", await TakeAsync(ring, db));
    }

    [Fact]
    public async Task What_was_acknowledged_survives_a_killed_server_and_the_work_goes_on_when_it_is_back()
    {
        DiskKeyStore store = await MakeStoreAsync();
        using DiskKeyRing ring = await store.UnlockAsync(null, Token);
        using SecretBuffer secret = SharedHost.Secret("a secret");
        var acknowledged = new List<Guid>();
        int started = 0;
        int uncertain = 0;
        Task writer = Task.Run(async () =>
        {
            for (int number = 0; number < 120; number++)
            {
                Volatile.Write(ref started, number);
                try
                {
                    acknowledged.Add((await ring.RegisterAsync(SharedHost.Disk($"disk{number}"), secret, slot: 0, Token)).Id);
                }
                catch (DeviceFaultException fault) when (fault.ErrorId == ErrorIds.DatabaseUncertain)
                {
                    uncertain++;
                }
            }
        }, Token);
        foreach (int when in new[] { 20, 60 })
        {
            while (Volatile.Read(ref started) < when)
            {
                await Task.Delay(1, Token);
            }

            await _server.KillAsync();
            await _server.StartAgainAsync();
        }

        await writer;
        Guid[] stored = [.. (await store.ListAsync(Token)).Select(entry => entry.Id)];
        Assert.Empty(acknowledged.Except(stored));
        Assert.InRange(acknowledged.Count, 120 - 2, 120);
        Assert.InRange(stored.Length, acknowledged.Count, acknowledged.Count + uncertain);
        Assert.Equal(stored.Length, (await ring.VerifyAsync(Token)).Entries);
    }

    [Fact]
    public async Task A_server_that_stays_away_is_said_to_be()
    {
        DiskKeyStore store = await MakeStoreAsync();
        await _server.KillAsync();
        TimeSpan before = HostDatabase.Patience;
        HostDatabase.Patience = TimeSpan.FromMilliseconds(500);
        try
        {
            Assert.Equal(ErrorIds.DatabaseUnavailable, (await Assert.ThrowsAsync<DeviceFaultException>(() => store.ListAsync(Token))).ErrorId);
        }
        finally
        {
            HostDatabase.Patience = before;
            await _server.StartAgainAsync();
        }
    }

    [Fact]
    public async Task Hosts_that_come_at_the_same_time_make_the_tables_once_and_later_tables_are_left_alone()
    {
        await Task.WhenAll(Enumerable.Range(0, 6).Select(number => SharedHost.MakeAsync(_scratch, _server, $"host{number}")));
        Assert.Equal("2", _server.Ask("select string_agg(number::text, ',') from vmcrypt.version").Trim());

        _server.Ask("update vmcrypt.version set number = 99");
        var folder = new ConfigurationFolder(_scratch["late"]);
        var fault = await Assert.ThrowsAsync<UnsupportedFeatureException>(
            () => HostDatabase.SetAsync(folder, _server.Connection + ";Command Timeout=31", Token));
        Assert.Equal(ErrorIds.DatabaseVersionUnsupported, fault.ErrorId);
        Assert.Null(await HostDatabase.OfAsync(folder, Token));
    }

    [Fact]
    public async Task A_host_that_may_only_use_the_tables_uses_them_and_is_told_of_later_ones()
    {
        await SharedHost.MakeAsync(_scratch, _server, "host");
        string role = $"user_{Guid.NewGuid():N}";
        _server.Ask($"create role {role} login; grant usage on schema vmcrypt to {role}; grant select, insert, update, delete on all tables in schema vmcrypt to {role}");
        string connection = $"{_server.Connection};Username={role}";
        await HostDatabase.SetAsync(new ConfigurationFolder(_scratch["user"]), connection, Token);

        _server.Ask("update vmcrypt.version set number = 99");
        var fault = await Assert.ThrowsAsync<UnsupportedFeatureException>(
            () => HostDatabase.SetAsync(new ConfigurationFolder(_scratch["late"]), connection + ";Command Timeout=31", Token));
        Assert.Equal(ErrorIds.DatabaseVersionUnsupported, fault.ErrorId);
    }

    [Fact]
    public async Task Names_of_VMs_are_the_same_in_upper_and_lower_case_whatever_the_database_thinks()
    {
        DiskKeyStore store = await MakeStoreAsync();
        using DiskKeyRing ring = await store.UnlockAsync(null, Token);
        using SecretBuffer secret = SharedHost.Secret("a secret");
        DiskKeyEntry entry = await ring.RegisterAsync(SharedHost.Disk("web") with { VM = "äpfel-i" }, secret, slot: 0, Token);
        await ring.RegisterAsync(SharedHost.Disk("db") with { VM = "Öl" }, secret, slot: 0, Token);

        foreach (string name in new[] { "äpfel-i", "ÄPFEL-I", "Äpfel-I", "äPFEL-i" })
        {
            Assert.Equal(entry.Id, Assert.Single(await store.OfVMAsync(name, Token)).Id);
        }
    }

    private async Task<DiskKeyStore> MakeStoreAsync()
    {
        DiskKeyStore store = DiskKeyStore.Of(await SharedHost.MakeAsync(_scratch, _server, "host"));
        await store.CreateAsync(NewKeyProtector.OfKeyFile(_scratch["store.key"]), Token);
        return store;
    }

    private static async Task<string> TakeAsync(DiskKeyRing ring, DiskKeyEntry entry)
    {
        using DiskKeys keys = await ring.TakeAsync(entry, DiskLocation.Parse(entry.Disk.Path), DiskOpenOptions.Default, slot: null, Token);
        return Encoding.UTF8.GetString(keys.Default!.Span);
    }
}
