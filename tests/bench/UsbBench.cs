using System.Diagnostics;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Tests.Qemu;
using VmCrypt.Core.Usb;
using VmCrypt.Core.Usb.Guard;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Bench;

/// <summary>How long a device that has to go stays: 50 VMs under one guard, the monitors scripted; and what guarding costs.</summary>
internal sealed class UsbBench : IBench, IDisposable
{
    private const int Vms = 50;
    private const int Rounds = 10;
    private const int Rules = 10_000;

    private static readonly TimeSpan s_idle = TimeSpan.FromSeconds(10);

    private readonly BenchFolder _folder = new();

    public string Name => "usb";

    public IEnumerable<Figure> Run()
    {
        foreach (Figure figure in Verdict().Concat(GuardAsync().GetAwaiter().GetResult()).Concat(UsbQemuBench.RunAsync().GetAwaiter().GetResult()).Concat(new UsbProxyBench().Run()))
        {
            yield return figure;
        }
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>A limit in milliseconds as a line of the table, where more is better: how often a second it could be met one after the other.</summary>
    internal static Figure Latency(string job, double milliseconds, double limit) =>
        new($"{job}: {Text(milliseconds)}", "1/s", 1000 / milliseconds, $"the limit of {Text(limit)}", 1000 / limit, 1);

    internal static double Percentile(IReadOnlyList<double> values, double share) => values.Order().ElementAt((int)Math.Min(values.Count - 1, values.Count * share));

    private static string Text(double milliseconds) => milliseconds < 0.1 ? $"{milliseconds * 1000:0.0#} us" : $"{milliseconds:0.0#} ms";

    private static IEnumerable<Figure> Verdict()
    {
        const int Calls = 200_000;
        UsbDeviceDescription stick = UsbDeviceDescription.Parse("048d:1169") with { DeviceClass = default(UsbClassCode), Interfaces = [new(8, 6, 80)], Serial = "S5000" };
        (string Job, Func<int, UsbRule> Rule)[] lists =
        [
            ("of other products", number => new UsbRule { Allow = true, VendorId = 0x1234, ProductId = (ushort)number }),
            ("of one product by serial number", number => new UsbRule { Allow = true, VendorId = 0x48d, ProductId = 0x1169, Serial = $"S{number}" }),
            ("by class and vendor, denying", number => new UsbRule { Allow = false, VendorId = (ushort)(0x2000 + number), Class = 3 }),
        ];
        foreach ((string job, Func<int, UsbRule> rule) in lists)
        {
            var rules = new UsbRuleSet(new UsbWhitelist { Rules = [.. Enumerable.Range(0, Rules).Select(rule)] });
            DateTimeOffset now = DateTimeOffset.UtcNow;
            long start = 0;
            for (int call = -Calls / 10; call < Calls; call++)
            {
                start = call == 0 ? Stopwatch.GetTimestamp() : start;
                _ = rules.Judge(stick, now);
            }

            yield return Latency($"Verdict, {Rules:N0} rules {job}", Stopwatch.GetElapsedTime(start).TotalMilliseconds / Calls, 0.01);
        }
    }

    private async Task<IReadOnlyList<Figure>> GuardAsync()
    {
        var store = new UsbWhitelistStore(new ConfigurationFolder(_folder["config"]));
        await using UsbPolicy policy = await UsbPolicy.OpenAsync(store, default);
        FakeQemu[] vms = [.. Enumerable.Range(0, Vms).Select(number => new FakeQemu(_folder[$"vm{number}.qmp"], $"vm{number}"))];
        var sources = new UsbGuardSources { Monitors = [.. vms.Select(vm => StreamEndpoint.Parse($"unix:{vm.Path}"))] };
        try
        {
            await using var guard = new UsbGuard(policy, sources, new UsbGuardOptions { TraceFolder = _folder["trace"] }, _ => { });
            await UntilAsync(() => guard.Vms.All(vm => vm.State == UsbGuardState.Guarded) && vms.All(vm => vm.Commands.Contains("qom-list")));
            List<double> changes = [], plugs = [];
            for (int round = 0; round < Rounds; round++)
            {
                changes.AddRange(await ChangeAsync(store, vms, guard));
                plugs.AddRange(await PlugAsync(vms));
            }

            return
            [
                Latency($"One list changes for {Vms} VMs, median", Percentile(changes, 0.5), 20),
                Latency($"One list changes for {Vms} VMs, 99 %", Percentile(changes, 0.99), 100),
                Latency($"Plug behind the guard's back, {Vms} VMs, median", Percentile(plugs, 0.5), 20),
                Latency($"Plug behind the guard's back, {Vms} VMs, 99 %", Percentile(plugs, 0.99), 100),
                await IdleAsync(),
            ];
        }
        finally
        {
            foreach (FakeQemu vm in vms)
            {
                await vm.DisposeAsync();
            }
        }
    }

    // Every VM has the stick and loses it, because the default list that all are under is emptied.
    private static async Task<IReadOnlyList<double>> ChangeAsync(UsbWhitelistStore store, FakeQemu[] vms, UsbGuard guard)
    {
        await store.ChangeAsync(null, _ => [UsbRuleText.Parse("46f4:0001")], default);
        await Task.Delay(50);
        Array.ForEach(vms, vm => vm.Plug("stick", "usb-storage"));
        await UntilAsync(() => guard.Vms.All(vm => vm.Devices.Count == 1));
        await Task.Delay(50);

        double[] gone = new double[vms.Length];
        long start = 0;
        for (int number = 0; number < vms.Length; number++)
        {
            int own = number;
            vms[own].Deleted = _ => gone[own] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        // Counted from when the change is on disk, which is when others can see it.
        await store.ChangeAsync(
            null,
            _ =>
            {
                start = Stopwatch.GetTimestamp();
                return [];
            },
            default);
        await UntilAsync(() => vms.All(vm => vm.Devices.Count == 0));
        return gone;
    }

    private static async Task<IReadOnlyList<double>> PlugAsync(FakeQemu[] vms)
    {
        List<double> times = [];
        foreach (FakeQemu vm in vms)
        {
            var gone = new TaskCompletionSource<double>();
            long start = Stopwatch.GetTimestamp();
            vm.Deleted = _ => gone.TrySetResult(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            vm.Plug("stick", "usb-storage");
            times.Add(await gone.Task);
        }

        return times;
    }

    private static async Task<Figure> IdleAsync()
    {
        await Task.Delay(2000);
        using var self = Process.GetCurrentProcess();
        TimeSpan before = self.TotalProcessorTime;
        await Task.Delay(s_idle);
        self.Refresh();
        double share = (self.TotalProcessorTime - before) / s_idle;
        return new Figure($"Idle guard of {Vms} VMs, peers included: {share:0.00 %} CPU", "1/share", 1 / Math.Max(share, 1e-6), "the limit of 1 %", 100, 1);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(1);
        }
    }
}
