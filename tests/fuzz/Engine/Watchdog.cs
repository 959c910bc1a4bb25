using System.Diagnostics;

namespace VmCrypt.Fuzz.Engine;

/// <summary>Sees inputs that never come back, and those that end the process, and keeps them before it is too late.</summary>
internal sealed class Watchdog : IDisposable
{
    // On a busy machine time passes without work: only the processor's counts, or a wait that nothing can explain.
    private static readonly TimeSpan s_maxWork = 2 * Trial.Patience;
    private static readonly TimeSpan s_maxWait = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(500);

    private readonly IFuzzTarget _target;
    private readonly Timer _timer;
    private volatile byte[]? _running;
    private byte[]? _seen;
    private long _seenAt;
    private TimeSpan _workBefore;

    public Watchdog(IFuzzTarget target)
    {
        _target = target;
        _timer = new Timer(_ => Look(), state: null, s_look, s_look);
        AppDomain.CurrentDomain.UnhandledException += Crashed;
    }

    public void Begin(byte[] input) => _running = input;

    public void End() => _running = null;

    public void Dispose()
    {
        AppDomain.CurrentDomain.UnhandledException -= Crashed;
        _timer.Dispose();
    }

    private void Look()
    {
        byte[]? running = _running;
        TimeSpan work = Process.GetCurrentProcess().TotalProcessorTime;
        if (running is null || running != _seen)
        {
            (_seen, _seenAt, _workBefore) = (running, Stopwatch.GetTimestamp(), work);
        }
        else if (work - _workBefore > s_maxWork || Stopwatch.GetElapsedTime(_seenAt) > s_maxWait)
        {
            // A thread that does not come back cannot be stopped: the campaign ends here.
            Console.WriteLine($"DEFECT hang\nkept as {Corpus.Keep(_target, "hang", running)}");
            Environment.Exit(3);
        }
    }

    private void Crashed(object sender, UnhandledExceptionEventArgs args)
    {
        if (_running is { } input)
        {
            Console.WriteLine($"DEFECT crash\n{args.ExceptionObject}\nkept as {Corpus.Keep(_target, $"crash {args.ExceptionObject.GetType()}", input)}");
        }
    }
}
