using System.Runtime.InteropServices;

namespace VmCrypt.Cli;

/// <summary>Turns the first SIGINT, SIGTERM or SIGHUP into a request to stop; the second ends the process as it always does.</summary>
internal sealed class StopSignals : IDisposable
{
    // What shells report for a process that a signal ended: 128 + its number.
    private static readonly Dictionary<PosixSignal, int> s_exitCodes = new()
    {
        [PosixSignal.SIGHUP] = 129,
        [PosixSignal.SIGINT] = 130,
        [PosixSignal.SIGTERM] = 143,
    };

    private readonly CancellationTokenSource _stop = new();
    private readonly PosixSignalRegistration[] _registrations;

    public StopSignals() => _registrations = [.. s_exitCodes.Keys.Select(signal => PosixSignalRegistration.Create(signal, OnSignal))];

    public CancellationToken Token => _stop.Token;

    public int ExitCode { get; private set; } = s_exitCodes[PosixSignal.SIGINT];

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }

        _stop.Dispose();
    }

    /// <summary>Stops as the user's Ctrl+C would.</summary>
    public void Stop() => _stop.Cancel();

    private void OnSignal(PosixSignalContext context)
    {
        if (!_stop.IsCancellationRequested)
        {
            context.Cancel = true;
            ExitCode = s_exitCodes[context.Signal];
            _stop.Cancel();
        }
    }
}
