using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Stack;
using VmCrypt.Interop.Tests.Machines;
using VmCrypt.Interop.Tests.Qemu;

namespace VmCrypt.Interop.Tests.Kill;

/// <summary>kill -9 while the passphrase of a disk is changed that a QEMU has open.</summary>
public sealed class RunningKillTests : IDisposable
{
    private const int Rounds = 4;

    private readonly Scratch _scratch = new();
    private readonly Random _random = new(21);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task One_passphrase_works_the_same_call_ends_it_and_nothing_is_left_in_QEMU()
    {
        (string current, string next) = (_scratch.File("one", "passphrase 1"u8), _scratch.File("two", "passphrase 2"u8));
        RunningDisk disk = await RunningDiskFixture.MakeAsync(_scratch, ImageFormat.Raw, "passphrase 1");
        using RunningQemu qemu = RunningQemu.Start(_scratch, RunningDiskFixture.Arguments(_scratch, disk, ImageFormat.Raw, "passphrase 1"));
        await qemu.WaitAsync();
        TimeSpan whole = Measure(Change(current, next));

        for (int round = 0; round < Rounds; round++)
        {
            (current, next) = (next, current);
            Vmcrypt.Kill(whole * (0.4 + (0.6 * _random.NextDouble())), Change(current, next));
            if (round % 2 == 0)
            {
                await ClearAsync(qemu);
                Assert.True(Opens(current) || Opens(next), "neither passphrase opens the disk any more");
            }

            Vmcrypt.Run(Change(current, next));
            Assert.Equal((false, true), (Opens(current), Opens(next)));
        }

        await using QmpClient monitor = await qemu.ConnectAsync();
        JsonElement objects = await monitor.ExecuteAsync("qom-list", new JsonObject { ["path"] = "/objects" }, Token);
        Assert.DoesNotContain("vmcrypt", objects.ToString(), StringComparison.Ordinal);
        Assert.Empty((await monitor.ExecuteAsync("query-jobs", null, Token)).EnumerateArray());

        string[] Change(string from, string to) =>
            ["Set-KeySlot", disk.Location.Text, "-QmpSocket", qemu.Endpoint.Text, "-Passphrase", $"file:{from}", "-NewPassphrase", $"file:{to}", "-IterTime", "20"];

        bool Opens(string passphrase)
        {
            (int exitCode, string error) = Vmcrypt.TryRun("Test-KeySlot", disk.Location.Text, "-Passphrase", $"file:{passphrase}");
            Assert.True(exitCode < 2, error);
            return exitCode == 0;
        }
    }

    // QEMU ends what it has begun, and shares the header with nobody until its job is dismissed.
    private static async Task ClearAsync(RunningQemu qemu)
    {
        await using QmpClient monitor = await qemu.ConnectAsync();
        await MonitorLeftovers.ClearAsync(monitor, Token);
    }

    private static TimeSpan Measure(string[] command)
    {
        var clock = Stopwatch.StartNew();
        Vmcrypt.Run(command);
        return clock.Elapsed;
    }
}
