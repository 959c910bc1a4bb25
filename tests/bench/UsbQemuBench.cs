using System.Diagnostics;
using System.Text.Json.Nodes;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Bench;

/// <summary>One real QEMU under guard: how long its own USB storage stays once it is not allowed, by the clock of another monitor.</summary>
internal static class UsbQemuBench
{
    private const int Rounds = 30;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    /// <summary>No figures where QEMU is not installed.</summary>
    public static async Task<IReadOnlyList<Figure>> RunAsync()
    {
        using var folder = new BenchFolder();
        if (Start(folder) is not { } qemu)
        {
            return [];
        }

        try
        {
            return await MeasureAsync(folder, qemu);
        }
        finally
        {
            qemu.Kill();
            qemu.Dispose();
        }
    }

    private static Process? Start(BenchFolder folder)
    {
        string[] arguments =
        [
            "-accel", "tcg", "-m", "64", "-nodefaults", "-display", "none", "-name", "vm01", "-device", "qemu-xhci", "-blockdev", "driver=null-co,node-name=n0,size=1048576",
            "-chardev", $"socket,id=c,path={folder["c.sock"]},server=on,wait=off", "-device", "usb-redir,chardev=c,id=redir0",
            "-qmp", $"unix:{folder["a.qmp"]},server=on,wait=off", "-qmp", $"unix:{folder["b.qmp"]},server=on,wait=off",
        ];
        try
        {
            return Process.Start(new ProcessStartInfo("qemu-system-x86_64", arguments) { UseShellExecute = false, RedirectStandardError = true });
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    private static async Task<IReadOnlyList<Figure>> MeasureAsync(BenchFolder folder, Process qemu)
    {
        var store = new UsbWhitelistStore(new ConfigurationFolder(folder["config"]));
        await store.ChangeAsync("vm01", _ => [UsbRuleText.Parse("class=08")], default);
        await using UsbPolicy policy = await UsbPolicy.OpenAsync(store, default);
        while (!File.Exists(folder["b.qmp"]))
        {
            if (qemu.HasExited)
            {
                throw new InvalidOperationException($"QEMU ended: {await qemu.StandardError.ReadToEndAsync()}");
            }

            await Task.Delay(10);
        }

        await using QmpClient other = await QmpClient.ConnectAsync(StreamEndpoint.Parse($"unix:{folder["b.qmp"]}"), s_patience, default);
        double alone = await AloneAsync(other);
        var sources = new UsbGuardSources { Monitors = [StreamEndpoint.Parse($"unix:{folder["a.qmp"]}")] };
        await using var guard = new UsbGuard(policy, sources, new UsbGuardOptions { TraceFolder = folder["trace"] }, _ => { });
        while (guard.Vms is not [{ State: UsbGuardState.Guarded }])
        {
            await Task.Delay(10);
        }

        List<double> off = [], deleted = [], plugs = [], channels = [];
        for (int round = 0; round < Rounds; round++)
        {
            await AllowAsync(store, policy, "class=08");
            await PlugAsync(other);
            while (guard.Vms is not [{ Devices.Count: 2 }])
            {
                await Task.Delay(1);
            }

            await Task.Delay(100);
            while (other.Events.TryRead(out _))
            {
                // Of the last round.
            }

            long start = 0;
            await store.ChangeAsync(
                "vm01",
                _ =>
                {
                    start = Stopwatch.GetTimestamp();
                    return [];
                },
                default);
            off.Add(await OffTheBusAsync(other, start));
            Dictionary<string, double> gone = await GoneAsync(other, start, "redir0", "stick");
            channels.Add(gone["redir0"]);
            deleted.Add(gone["stick"]);
            start = Stopwatch.GetTimestamp();
            await PlugAsync(other);
            plugs.Add(await OffTheBusAsync(other, start));
            await GoneAsync(other, start, "stick");
        }

        return
        [
            UsbBench.Latency("QEMU: list change to off the bus, median", UsbBench.Percentile(off, 0.5), 20),
            UsbBench.Latency("QEMU: list change to off the bus, 99 %", UsbBench.Percentile(off, 0.99), 100),
            UsbBench.Latency("QEMU: plug to off the bus, median", UsbBench.Percentile(plugs, 0.5), 20),
            UsbBench.Latency("QEMU: plug to off the bus, 99 %", UsbBench.Percentile(plugs, 0.99), 100),
            Deleted("QEMU, usb-storage: list change to DEVICE_DELETED", UsbBench.Percentile(deleted, 0.5), alone),
            Deleted("QEMU, usb-redir: list change to DEVICE_DELETED", UsbBench.Percentile(channels, 0.5), alone),
        ];
    }

    // QEMU says so only when it has freed the device, which it puts off by five naps of 10 ms (call_rcu_thread), whoever asks.
    private static Figure Deleted(string job, double milliseconds, double alone) =>
        new($"{job}: {milliseconds:0.0} ms", "1/s", 1000 / milliseconds, $"QEMU alone, device_del to DEVICE_DELETED: {alone:0.0} ms", 1000 / alone, 0.9);

    // The median of a removal that nobody guards: what QEMU itself takes for it.
    private static async Task<double> AloneAsync(QmpClient monitor)
    {
        List<double> times = [];
        for (int round = 0; round < Rounds; round++)
        {
            await PlugAsync(monitor);
            await Task.Delay(100);
            long start = Stopwatch.GetTimestamp();
            await monitor.ExecuteAsync("device_del", new JsonObject { ["id"] = "stick" }, default);
            times.Add((await GoneAsync(monitor, start, "stick"))["stick"]);
        }

        return UsbBench.Percentile(times, 0.5);
    }

    private static async Task AllowAsync(UsbWhitelistStore store, UsbPolicy policy, string rule)
    {
        await store.ChangeAsync("vm01", _ => [UsbRuleText.Parse(rule)], default);
        while (policy.For(new VmIdentity("vm01")).Whitelist.Rules.Count == 0)
        {
            await Task.Delay(1);
        }
    }

    private static Task PlugAsync(QmpClient monitor) =>
        monitor.ExecuteAsync("device_add", new JsonObject { ["driver"] = "usb-storage", ["drive"] = "n0", ["id"] = "stick" }, default);

    // In the order in which they go, whichever that is.
    private static async Task<Dictionary<string, double>> GoneAsync(QmpClient monitor, long start, params string[] ids)
    {
        var gone = new Dictionary<string, double>();
        while (!ids.All(gone.ContainsKey))
        {
            if (await monitor.Events.ReadAsync() is { Name: "DEVICE_DELETED", Data: var data })
            {
                gone[Path.GetFileName(data.GetProperty("path").GetString()!)] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            }
        }

        return gone;
    }

    private static async Task<double> OffTheBusAsync(QmpClient monitor, long start)
    {
        var peripherals = new JsonObject { ["path"] = "/machine/peripheral" };
        while ((await monitor.ExecuteAsync("qom-list", peripherals, default)).EnumerateArray().Any(one => one.GetProperty("name").GetString() == "stick"))
        {
            // Still there.
        }

        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }
}
