using System.Threading.Channels;
using VmCrypt.Core.Audit;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Database;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Rules;
using VmCrypt.Core.Wipe.Policy;

namespace VmCrypt.Interop.Tests.Database;

/// <summary>USB lists, wipe policy and audit of several hosts in a real PostgreSQL.</summary>
[Collection(nameof(PostgresHouse))]
public sealed class SharedStateTests(PostgresHouse house) : IAsyncLifetime
{
    private static readonly UsbRule s_stick = UsbRuleText.Parse("048d:1169");

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
    public async Task A_list_that_one_host_changes_is_heard_by_the_guard_of_another()
    {
        var here = new UsbWhitelistStore(await SharedHost.MakeAsync(_scratch, _server, "here"));
        var there = new UsbWhitelistStore(await SharedHost.MakeAsync(_scratch, _server, "there"));
        await here.ChangeAsync("web01", _ => [s_stick], Token);
        await using UsbPolicy policy = await UsbPolicy.OpenAsync(there, Token);
        var vm = new VmIdentity("web01");
        Assert.Single(policy.For(vm).Whitelist.Rules);
        Channel<int> heard = Listen(policy);

        await here.ChangeAsync("web01", _ => [], Token);
        await UntilAsync(heard, () => policy.For(vm).Whitelist.Rules.Count == 0);
        await here.ChangeAsync(null, _ => [s_stick], Token);
        await UntilAsync(heard, () => policy.For(new VmIdentity("other")).Whitelist.Rules.Count == 1);
        Assert.True(await here.RemoveAsync(null, Token));
        await UntilAsync(heard, () => policy.For(new VmIdentity("other")).Whitelist.Rules.Count == 0);
        Assert.Equal(["web01"], there.Names());
    }

    [Fact]
    public async Task A_guard_goes_on_by_the_last_lists_while_the_server_is_away_and_makes_up_for_what_it_missed()
    {
        var here = new UsbWhitelistStore(await SharedHost.MakeAsync(_scratch, _server, "here"));
        var there = new UsbWhitelistStore(await SharedHost.MakeAsync(_scratch, _server, "there"));
        await here.ChangeAsync("web01", _ => [s_stick], Token);
        await using UsbPolicy policy = await UsbPolicy.OpenAsync(there, Token);
        Channel<int> heard = Listen(policy);
        await _server.KillAsync();
        await using UsbPolicy late = await UsbPolicy.OpenAsync(there, Token);
        Assert.Single(policy.For(new VmIdentity("web01")).Whitelist.Rules);
        Assert.Single(late.For(new VmIdentity("web01")).Whitelist.Rules);

        await _server.StartAgainAsync();
        await here.ChangeAsync("web01", rules => [.. rules, UsbRuleText.Parse("1d6b:0002")], Token);
        await UntilAsync(heard, () => policy.For(new VmIdentity("web01")).Whitelist.Rules.Count == 2);
    }

    [Fact]
    public async Task A_wipe_policy_holds_on_every_host()
    {
        var here = new WipePolicies(await SharedHost.MakeAsync(_scratch, _server, "here"));
        var there = new WipePolicies(await SharedHost.MakeAsync(_scratch, _server, "there"));
        await Task.WhenAll(
            here.SetAsync(new WipePolicy { Vm = "web01", DeepErase = false, Erase = false }, Token),
            there.SetAsync(new WipePolicy { Vm = "db01", DeepErase = true, Erase = false }, Token));

        Assert.Equal(["db01", "web01"], (await here.ListAsync(Token)).Select(policy => policy.Vm));
        await there.RemoveAsync("web01", Token);
        Assert.Equal(["db01"], (await here.ListAsync(Token)).Select(policy => policy.Vm));
        Assert.Equal(ErrorIds.WipePolicyMissing, (await Assert.ThrowsAsync<MissingException>(() => here.RemoveAsync("web01", Token))).ErrorId);
    }

    [Fact]
    public async Task What_a_host_has_goes_there_if_asked_and_what_is_there_counts()
    {
        var folder = new ConfigurationFolder(_scratch["own"]);
        await new UsbWhitelistStore(folder).ChangeAsync("own", _ => [s_stick], Token);
        await new WipePolicies(folder).SetAsync(new WipePolicy { Vm = "own", DeepErase = true, Erase = true }, Token);
        await SharedState.UseAsync(folder, _server.Connection, upload: true, Token);

        var other = new ConfigurationFolder(_scratch["other"]);
        await new UsbWhitelistStore(other).ChangeAsync("gone", _ => [s_stick], Token);
        await SharedState.UseAsync(other, _server.Connection, upload: false, Token);

        Assert.Equal(["own"], new UsbWhitelistStore(other).Names());
        Assert.Equal("own", Assert.Single(await new WipePolicies(other).ListAsync(Token)).Vm);
    }

    [Fact]
    public async Task A_host_whose_lists_cannot_all_be_copied_goes_on_with_its_own()
    {
        await SharedHost.MakeAsync(_scratch, _server, "first");
        _server.Ask("alter table vmcrypt.document add check (name not like '%second%')");
        var folder = new ConfigurationFolder(_scratch["own"]);
        var own = new UsbWhitelistStore(folder);
        await own.ChangeAsync("first", _ => [s_stick], Token);
        await own.ChangeAsync("second", _ => [s_stick], Token);

        var fault = await Assert.ThrowsAsync<DeviceFaultException>(() => SharedState.UseAsync(folder, _server.Connection, upload: true, Token));

        Assert.Equal(ErrorIds.DatabaseRefused, fault.ErrorId);
        Assert.Null(await HostDatabase.OfAsync(folder, Token));
        Assert.Equal(["first", "second"], own.Names());
    }

    [Fact]
    public async Task The_audit_log_is_copied_and_a_cut_log_does_not_agree_with_its_copy()
    {
        ConfigurationFolder folder = await SharedHost.MakeAsync(_scratch, _server, "host");
        AuditLog log = AuditLog.Of(folder);
        for (int number = 0; number < 5; number++)
        {
            await log.AppendAsync(new AuditEvent("Test.Done", $"target {number}", "Done"), Token);
        }

        Assert.Equal("5", _server.Ask("select count(*) from vmcrypt.audit").Trim());
        Assert.True((await log.VerifyAsync(Token)).IsUnbroken);

        string[] lines = File.ReadAllLines(log.Path);
        File.WriteAllLines(log.Path, lines[..3]);
        File.Delete(log.Path + ".head");
        AuditReport report = await log.VerifyAsync(Token);
        Assert.Equal(AuditBreakKind.EntriesMissing, Assert.Single(report.Breaks).Kind);
    }

    [Fact]
    public async Task Entries_made_while_the_server_was_away_reach_it_later()
    {
        ConfigurationFolder folder = await SharedHost.MakeAsync(_scratch, _server, "host");
        AuditLog log = AuditLog.Of(folder);
        var archive = new AuditArchive((await HostDatabase.OfAsync(folder, Token))!, TimeProvider.System);
        await _server.KillAsync();
        for (int number = 0; number < 700; number++)
        {
            await log.AppendAsync(new AuditEvent("Test.Done", $"target {number}", "Done"), Token);
        }

        await _server.StartAgainAsync();
        archive.ForgetRespite();
        await archive.CatchUpAsync(log.Path);
        Assert.Equal("700|700", _server.Ask("select count(*), max(sequence) from vmcrypt.audit").Trim());
        Assert.True((await log.VerifyAsync(Token)).IsUnbroken);
    }

    [Fact]
    public async Task The_connection_string_says_whom_to_trust()
    {
        await using PostgresServer server = await PostgresServer.StartAsync(data => MakeCertificate(data));
        string trusting = $"{server.Connection};SSL Mode=VerifyCA;Root Certificate={_scratch["server.crt"]}";
        await HostDatabase.SetAsync(new ConfigurationFolder(_scratch["trusting"]), trusting, Token);

        Tools.Run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other", "-keyout", _scratch["other.key"], "-out", _scratch["other.crt"], "-days", "2");
        string wary = $"{server.Connection};SSL Mode=VerifyCA;Root Certificate={_scratch["other.crt"]}";
        var fault = await Assert.ThrowsAsync<DeviceFaultException>(() => HostDatabase.SetAsync(new ConfigurationFolder(_scratch["wary"]), wary, Token));
        Assert.Equal(ErrorIds.DatabaseUntrusted, fault.ErrorId);
    }

    [Fact]
    public async Task Who_follows_goes_on_after_any_failure()
    {
        HostDatabase database = (await HostDatabase.OfAsync(await SharedHost.MakeAsync(_scratch, _server, "host"), Token))!;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var tries = new List<bool>();
        int calls = 0;

        Task following = DatabaseListener.FollowAsync(
            database,
            _ => ++calls == 1 ? throw new InvalidOperationException("made to fail") : stop.CancelAsync(),
            tries.Add,
            TimeProvider.System,
            stop.Token);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => following);
        Assert.Equal([false, true], tries);
    }

    private void MakeCertificate(string data)
    {
        Tools.Run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", _scratch["server.key"], "-out", _scratch["server.crt"], "-days", "2");
        foreach (string name in new[] { "server.key", "server.crt" })
        {
            File.Copy(_scratch[name], Path.Combine(data, name));
            File.SetUnixFileMode(Path.Combine(data, name), UnixFileMode.UserRead | UnixFileMode.UserWrite);
            if (Environment.IsPrivilegedProcess)
            {
                Tools.Run("chown", "postgres", Path.Combine(data, name));
            }
        }

        File.AppendAllText(Path.Combine(data, "postgresql.conf"), "\nssl = on\n");
    }

    private static Channel<int> Listen(UsbPolicy policy)
    {
        Channel<int> heard = Channel.CreateUnbounded<int>();
        policy.Changed += (_, _) => heard.Writer.TryWrite(0);
        return heard;
    }

    private static async Task UntilAsync(Channel<int> heard, Func<bool> condition)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(TimeSpan.FromMinutes(1));
        while (!condition())
        {
            await heard.Reader.ReadAsync(limit.Token);
        }
    }
}
