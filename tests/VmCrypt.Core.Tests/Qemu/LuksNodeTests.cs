using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Qemu;

/// <summary>The nodes and jobs of a QEMU that says what no real one can be brought to say.</summary>
public sealed class LuksNodeTests
{
    private const string Path = "/vm/web.luks";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/vm/web.luks")]
    [InlineData("""json:{"driver":"luks","key-secret":"k","file":{"driver":"file","filename":"/vm/web.luks"}}""")]
    [InlineData("""json:{"driver":"luks","file":{"driver":"throttle","file":{"driver":"host_device","filename":"/vm/web.luks"}}}""")]
    public async Task A_node_is_found_by_its_file_however_QEMU_says_that(string file)
    {
        var monitor = new ScriptedMonitor((_, _) => List(Luks("disk0", file)));

        Assert.Equal("disk0", (await LuksNode.FindAsync(monitor, Path, nodeName: null, Token)).Name);
    }

    [Fact]
    public async Task A_node_is_found_by_a_link_to_its_file()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links need a privilege there");
        using var scratch = new Scratch();
        string file = scratch.File("web.luks", "x"u8);
        File.CreateSymbolicLink(scratch["link"], file);
        var monitor = new ScriptedMonitor((_, _) => List(Luks("disk0", scratch["link"])));

        Assert.Equal("disk0", (await LuksNode.FindAsync(monitor, file, nodeName: null, Token)).Name);
    }

    [Theory]
    [InlineData("""json:{"driver":"luks","file":{"driver":"rbd","pool":"vms","image":"web"}}""")]
    [InlineData("json:{")]
    [InlineData("json:[]")]
    [InlineData("""json:{"file":"other-node"}""")]
    [InlineData("/vm/other.luks")]
    public async Task A_node_of_another_file_is_not_taken(string file)
    {
        var monitor = new ScriptedMonitor((_, _) => List(Luks("disk0", file)));

        Assert.Equal(ErrorIds.QemuNodeMissing, await RefusalAsync(monitor, nodeName: null));
    }

    [Fact]
    public async Task Nodes_that_are_plain_or_legacy_or_read_only_are_not_taken()
    {
        var monitor = new ScriptedMonitor((_, _) => List(
            Luks("backing", Path, readOnly: true), Node("raw", "raw", new JsonObject()), Node("plain", "qcow2", Qcow2(new JsonObject())),
            Node("aes", "qcow2", Qcow2(new JsonObject { ["encrypt"] = new JsonObject { ["format"] = "aes" } }))));

        Assert.Equal(ErrorIds.QemuNodeMissing, await RefusalAsync(monitor, nodeName: null));
        Assert.Equal(ErrorIds.QemuNodeMissing, await RefusalAsync(monitor, "aes"));
    }

    [Theory]
    [InlineData("""[{"drv":"luks"}]""")]
    [InlineData("""[{"node-name":"disk0","ro":false,"file":"/vm/web.luks"}]""")]
    [InlineData("""[{"node-name":"disk0","drv":"qcow2","ro":false,"file":"/vm/web.luks"}]""")]
    [InlineData("""[{"node-name":"disk0","drv":"luks","ro":"no","file":"/vm/web.luks"}]""")]
    [InlineData("""{"nodes":[]}""")]
    public async Task What_is_no_list_of_nodes_is_no_QMP(string answer) =>
        Assert.Equal(ErrorIds.QmpInvalid, await RefusalAsync(new ScriptedMonitor((_, _) => answer), nodeName: null));

    [Theory]
    [InlineData("""[{"status":"concluded"}]""")]
    [InlineData("""{"jobs":[]}""")]
    public async Task What_is_no_list_of_jobs_is_no_QMP(string answer)
    {
        var monitor = new ScriptedMonitor((command, arguments) => command == "query-jobs" ? answer : new Jobs(_ => null).Answer(command, arguments));

        Assert.Equal(ErrorIds.QmpInvalid, await FailureAsync(monitor));
    }

    [Fact]
    public async Task Two_nodes_of_one_file_are_told_apart_by_name()
    {
        var monitor = new ScriptedMonitor((_, _) => List(Luks("disk0", Path), Luks("disk1", Path)));

        Assert.Equal(ErrorIds.QemuNodeAmbiguous, await RefusalAsync(monitor, nodeName: null));
        Assert.Equal("disk1", (await LuksNode.FindAsync(monitor, Path, "disk1", Token)).Name);
    }

    [Fact]
    public async Task A_job_that_fails_is_dismissed_and_said()
    {
        var monitor = new ScriptedMonitor(new Jobs(_ => "Refusing to overwrite active keyslot 1").Answer);

        Assert.Equal(ErrorIds.MonitorRefused, await FailureAsync(monitor));
        Assert.Single(monitor.Asked, asked => asked.Command == "job-dismiss");
    }

    [Fact]
    public async Task A_clock_that_stood_still_is_asked_again()
    {
        var monitor = new ScriptedMonitor(new Jobs(run => run < 3 ? "Unable to get accurate CPU usage" : null).Answer);

        await (await NodeAsync(monitor)).EraseAsync(0);

        Assert.Equal(3, monitor.Asked.Count(asked => asked.Command == "x-blockdev-amend"));
        Assert.Equal(3, monitor.Asked.Count(asked => asked.Command == "job-dismiss"));
    }

    [Fact]
    public async Task A_clock_that_never_moves_is_given_up()
    {
        var monitor = new ScriptedMonitor(new Jobs(_ => "Unable to get accurate CPU usage").Answer);

        Assert.Equal(ErrorIds.MonitorRefused, await FailureAsync(monitor));
    }

    [Fact]
    public async Task A_job_that_QEMU_forgets_is_no_success()
    {
        var monitor = new ScriptedMonitor((command, arguments) => command == "query-jobs" ? "[]" : new Jobs(_ => null).Answer(command, arguments));

        Assert.Equal(ErrorIds.QmpInvalid, await FailureAsync(monitor));
    }

    [Fact]
    public async Task What_qemu_io_complains_about_is_a_fault()
    {
        var monitor = new ScriptedMonitor((command, _) => command == "human-monitor-command" ? "\"flush failed: Input/output error\\r\\n\"" : List(Luks("disk0", Path)));
        LuksNode node = await LuksNode.FindAsync(monitor, Path, null, Token);

        Assert.Equal(ErrorIds.DeviceIO, (await Assert.ThrowsAsync<DeviceFaultException>(async () => await node.FlushAsync(Token))).ErrorId);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("null")]
    public async Task What_is_no_text_of_qemu_io_is_no_QMP(string answer)
    {
        var monitor = new ScriptedMonitor((command, _) => command == "human-monitor-command" ? answer : List(Luks("disk0", Path)));
        LuksNode node = await LuksNode.FindAsync(monitor, Path, null, Token);

        Assert.Equal(ErrorIds.QmpInvalid, (await Assert.ThrowsAsync<ProtocolException>(async () => await node.FlushAsync(Token))).ErrorId);
    }

    private static string Luks(string name, string file, bool readOnly = false) => Node(name, "luks", new JsonObject(), file, readOnly);

    private static string Node(string name, string driver, JsonObject image, string file = Path, bool readOnly = false) =>
        new JsonObject { ["node-name"] = name, ["drv"] = driver, ["ro"] = readOnly, ["file"] = file, ["image"] = image }.ToJsonString();

    private static JsonObject Qcow2(JsonObject data) => new() { ["format-specific"] = new JsonObject { ["type"] = "qcow2", ["data"] = data } };

    private static string List(params string[] nodes) => $"[{string.Join(',', nodes)}]";

    private static ValueTask<LuksNode> NodeAsync(ScriptedMonitor monitor) => LuksNode.FindAsync(monitor, Path, null, Token);

    private static async Task<string> RefusalAsync(ScriptedMonitor monitor, string? nodeName) =>
        (await Assert.ThrowsAnyAsync<VmCryptException>(async () => await LuksNode.FindAsync(monitor, Path, nodeName, Token))).ErrorId;

    private static async Task<string> FailureAsync(ScriptedMonitor monitor)
    {
        LuksNode node = await NodeAsync(monitor);
        return (await Assert.ThrowsAnyAsync<VmCryptException>(async () => await node.EraseAsync(0))).ErrorId;
    }

    /// <summary>One node, and jobs that end as they are told by their number, from 1.</summary>
    private sealed class Jobs(Func<int, string?> error)
    {
        private int _run;
        private string _id = string.Empty;

        public string Answer(string command, JsonObject? arguments)
        {
            if (command == "x-blockdev-amend")
            {
                _run++;
                _id = arguments!["job-id"]!.GetValue<string>();
            }

            var job = new JsonObject { ["id"] = _id, ["status"] = "concluded" };
            if (error(_run) is { } fault)
            {
                job["error"] = fault;
            }

            return command switch
            {
                "query-named-block-nodes" => List(Luks("disk0", Path)),
                "query-jobs" => List("""{"id":"somebody-else","status":"running"}""", job.ToJsonString()),
                _ => "{}",
            };
        }
    }
}
