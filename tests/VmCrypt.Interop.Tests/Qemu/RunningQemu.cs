using System.Diagnostics;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Interop.Tests.Qemu;

/// <summary>A QEMU without a machine, reached over QMP.</summary>
internal sealed class RunningQemu : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly string _socket;

    private RunningQemu(Process process, string socket)
    {
        _process = process;
        _socket = socket;
    }

    public StreamEndpoint Endpoint => StreamEndpoint.Parse($"unix:{_socket}");

    /// <summary>Starts it with further arguments; skips the test where there is no QEMU.</summary>
    public static RunningQemu Start(Scratch scratch, params string[] arguments)
    {
        Tools.Require("qemu-system-x86_64");
        string socket = scratch[$"qmp-{Guid.NewGuid():N}"[..12]];
        string[] machine = ["-machine", "none", "-accel", "tcg", "-nodefaults", "-display", "none", .. Monitor(socket)];
        return new RunningQemu(Process.Start(new ProcessStartInfo("qemu-system-x86_64", [.. machine, .. arguments]) { UseShellExecute = false })!, socket);
    }

    /// <summary>What gives a QEMU its QMP socket.</summary>
    public static string[] Monitor(string socket) => ["-qmp", $"unix:{socket},server=on,wait=off"];

    /// <summary>Returns when it answers.</summary>
    public async Task WaitAsync() => await (await ConnectAsync()).DisposeAsync();

    /// <summary>Connects as soon as the socket is there; QEMU serves one client at a time.</summary>
    public async Task<QmpClient> ConnectAsync()
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                return await QmpClient.ConnectAsync(Endpoint, s_patience, TestContext.Current.CancellationToken);
            }
            catch (DeviceFaultException fault) when (fault.ErrorId == ErrorIds.MonitorUnreachable && clock.Elapsed < s_patience && !_process.HasExited)
            {
                await Task.Delay(50, TestContext.Current.CancellationToken);
            }
        }
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
