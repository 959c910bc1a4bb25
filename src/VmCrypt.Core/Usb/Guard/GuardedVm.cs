using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Usb.Lists;

namespace VmCrypt.Core.Usb.Guard;

public enum UsbGuardState
{
    Connecting,
    Guarded,

    /// <summary>The monitor cannot be reached or does not answer; tried again all the time.</summary>
    Lost,
}

/// <summary>A VM under guard, at one moment.</summary>
/// <param name="PlugsNoticed">How plugs come to notice: <c>at once</c>, or by a regular look.</param>
public sealed record UsbGuardedVm(
    string Name, Guid? Uuid, string Monitor, UsbGuardState State, string PlugsNoticed, string? Trouble, IReadOnlyList<QemuUsbDevice> Devices);

/// <summary>Keeps one VM guarded: connects, guards, and connects again when the monitor is lost.</summary>
internal sealed class GuardedVm : IAsyncDisposable
{
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(2);

    private readonly VmEndpoint _endpoint;
    private readonly UsbGuardContext _guard;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<UsbRedirChannel> _unmade = [];
    private readonly Task _running;
    private VmIdentity? _identity;
    private VmGuardSession? _session;
    private string? _trouble;
    private string _notice = string.Empty;

    public GuardedVm(VmEndpoint endpoint, PlugTrace? trace, UsbGuardContext guard)
    {
        _endpoint = endpoint;
        _guard = guard;
        _identity = endpoint.Identity;
        _running = Task.Run(() => RunAsync(trace));
    }

    public string Key => _endpoint.Key;

    public UsbGuardedVm Snapshot()
    {
        VmGuardSession? session = _session;
        UsbGuardState state = session is not null ? UsbGuardState.Guarded : _trouble is null ? UsbGuardState.Connecting : UsbGuardState.Lost;
        return new UsbGuardedVm(_identity?.Name ?? Key, _identity?.Uuid, Key, state, session is null ? string.Empty : _notice, _trouble, session?.Devices ?? []);
    }

    /// <summary>See <see cref="VmGuardSession.Wake"/>.</summary>
    public void Wake(long since, bool scan) => _session?.Wake(since, scan);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }

    private async Task RunAsync(PlugTrace? trace)
    {
        TimeSpan pause = s_firstPause;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await using IQemuMonitor monitor = await _endpoint.ConnectAsync(_stop.Token);
                _identity = await _endpoint.IdentifyAsync(monitor, _stop.Token);
                pause = s_firstPause;
                await GuardAsync(monitor, trace);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (VmCryptException fault)
            {
                Lose(fault.Message);
            }
            catch (Exception fault)
            {
                // An answer of the wrong shape, or something nobody thought of: said, and tried again. A VM is never given up.
                Lose($"guarding has failed ({fault.GetType().Name}): {fault.Message}");
            }

            await Task.Delay(pause, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, s_longestPause.Ticks));
        }
    }

    private async Task GuardAsync(IQemuMonitor monitor, PlugTrace? trace)
    {
        var session = new VmGuardSession(_identity!, monitor, _endpoint.Libvirt, _unmade, _guard);
        string? folder = _guard.Options.TraceFolder;
        string? own = _endpoint.LogFile is null && folder is not null ? Path.Combine(folder, $"{Guid.NewGuid():N}.trace") : null;
        string? obstacle = trace is null || (_endpoint.LogFile is null && own is null) ? "not asked for" : await PlugTrace.EnableAsync(monitor, own, _stop.Token);
        bool traced = obstacle is null;
        using IDisposable? following = traced ? trace!.Follow(_endpoint.LogFile ?? own!, () => session.Wake(_guard.Clock.GetTimestamp(), scan: true)) : null;
        TimeSpan look = traced ? _guard.Options.TracedLook : _guard.Options.Look;
        _notice = traced ? "at once" : $"within {look.TotalSeconds:0.#} s ({obstacle})";
        try
        {
            _trouble = null;
            _session = session;
            Report(UsbEventKind.VmGuarded, $"plugs are noticed {_notice}");
            await session.RunAsync(look, _stop.Token);
        }
        finally
        {
            _session = null;
            if (own is not null)
            {
                File.Delete(own);
            }
        }
    }

    // Said once, however often the attempt fails for the same reason.
    private void Lose(string reason)
    {
        if (_trouble != reason)
        {
            Report(UsbEventKind.VmLost, reason);
        }

        _trouble = reason;
    }

    private void Report(UsbEventKind kind, string reason) => _guard.Report(
        new UsbEvent(_guard.Clock.GetUtcNow(), kind, reason) { Vm = _identity ?? new VmIdentity(Key), Channel = Key });
}
