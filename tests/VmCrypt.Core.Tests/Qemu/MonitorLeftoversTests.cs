using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Core.Tests.Qemu;

public sealed class MonitorLeftoversTests
{
    private const string Objects = """[{"name":"type","type":"string"},{"name":"key0","type":"child<secret>"},{"name":"vmcrypt-key-1","type":"child<secret>"}]""";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_job_that_nobody_dismisses_is_waited_for_and_dismissed_and_secrets_go()
    {
        int asked = 0;
        bool dismissed = false;
        var monitor = new ScriptedMonitor((command, _) =>
        {
            dismissed |= command == "job-dismiss";
            return command switch
            {
                "query-jobs" when dismissed => """[{"id":"mirror-0","status":"running"}]""",
                "query-jobs" => $$"""[{"id":"mirror-0","status":"running"},{"id":"vmcrypt-job-1","status":"{{(asked++ < 3 ? "running" : "concluded")}}"}]""",
                "qom-list" => Objects,
                _ => "{}",
            };
        });

        await MonitorLeftovers.ClearAsync(monitor, Token);

        Assert.Equal(["vmcrypt-job-1"], Ids(monitor, "job-dismiss"));
        Assert.Equal(["vmcrypt-key-1"], Ids(monitor, "object-del"));
    }

    [Fact]
    public async Task A_QEMU_in_which_nothing_is_left_is_asked_twice_and_told_nothing()
    {
        var monitor = new ScriptedMonitor((_, _) => "[]");

        await MonitorLeftovers.ClearAsync(monitor, Token);

        Assert.Equal(["query-jobs", "qom-list"], monitor.Asked.Select(asked => asked.Command));
    }

    [Theory]
    [InlineData("""[{"id":"x"}]""", "[]")]
    [InlineData("[]", """[{"id":"x"}]""")]
    [InlineData("[]", """{"name":"x"}""")]
    public async Task What_is_no_list_is_no_QMP(string jobs, string objects)
    {
        var monitor = new ScriptedMonitor((command, _) => command == "query-jobs" ? jobs : objects);

        Assert.Equal(ErrorIds.QmpInvalid, (await Assert.ThrowsAsync<ProtocolException>(async () => await MonitorLeftovers.ClearAsync(monitor, Token))).ErrorId);
    }

    private static IEnumerable<string> Ids(ScriptedMonitor monitor, string command) =>
        monitor.Asked.Where(asked => asked.Command == command).Select(asked => asked.Arguments!["id"]!.GetValue<string>());
}
