using System.Diagnostics;
using System.Runtime;

namespace VmCrypt.Fuzz.Engine;

/// <summary>How long to run, and from which seed on.</summary>
internal sealed record Budget(TimeSpan Time, long Runs, int Seed);

/// <summary>Changes good inputs into new ones for a while, and keeps those on which something new happens.</summary>
internal sealed class Campaign : IDisposable
{
    // The working corpus lives in memory; beyond this, newcomers push others out.
    private const long MaxBytes = 128 * 1024 * 1024;

    private static readonly TimeSpan s_reportEvery = TimeSpan.FromSeconds(30);

    private readonly IFuzzTarget _target;
    private readonly Budget _budget;
    private readonly Random _random;
    private readonly Mutator _mutator;
    private readonly Watchdog _watchdog;
    private readonly List<byte[]> _inputs = [];
    private readonly HashSet<ulong> _known = [];
    private readonly HashSet<string> _defects = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private int _compiledMethods;
    private long _runs;
    private long _bytes;

    public Campaign(IFuzzTarget target, Budget budget)
    {
        _target = target;
        _budget = budget;
        _random = new Random(budget.Seed);
        _mutator = new Mutator(target, _random);
        _watchdog = new Watchdog(target);
    }

    /// <summary>Runs until the budget is spent.</summary>
    /// <returns>How many different defects came up.</returns>
    public int Run()
    {
        foreach ((_, byte[] input) in Corpus.Of(_target))
        {
            Try(input);
        }

        if (_inputs.Count == 0)
        {
            Add([]);
        }

        TimeSpan nextReport = s_reportEvery;
        while (_clock.Elapsed < _budget.Time && _runs < _budget.Runs)
        {
            Try(_mutator.Mutate(Choose(), Choose()));
            if (_clock.Elapsed > nextReport)
            {
                Report();
                nextReport = _clock.Elapsed + s_reportEvery;
            }
        }

        Report();
        return _defects.Count;
    }

    public void Dispose() => _watchdog.Dispose();

    private void Try(byte[] input)
    {
        _runs++;
        var trace = new Trace();
        Defect? defect = RunWatched(input, trace);
        int known = _known.Count;
        _known.UnionWith(trace.Features);
        int compiled = (int)JitInfo.GetCompiledMethodCount(currentThread: false);
        bool isNew = _known.Count > known || compiled > _compiledMethods;
        _compiledMethods = compiled;
        if (defect is not null)
        {
            Found(defect, input);
        }
        else if (isNew)
        {
            Add(input);
        }
    }

    private Defect? RunWatched(byte[] input, Trace trace)
    {
        _watchdog.Begin(input);
        try
        {
            return Trial.Run(_target, input, trace);
        }
        finally
        {
            _watchdog.End();
        }
    }

    private void Add(byte[] input)
    {
        _inputs.Add(input);
        _bytes += input.Length;
        while (_bytes > MaxBytes)
        {
            int old = _random.Next(_inputs.Count);
            _bytes -= _inputs[old].Length;
            _inputs[old] = _inputs[^1];
            _inputs.RemoveAt(_inputs.Count - 1);
        }
    }

    private void Found(Defect defect, byte[] input)
    {
        if (_defects.Add(defect.Key))
        {
            byte[] small = new Minimiser(smaller => RunWatched(smaller, new Trace()), defect.Key).Reduce(input);
            Console.WriteLine($"DEFECT {defect.Key}\n{defect.Report}\nkept as {Corpus.Keep(_target, defect.Key, small)} ({small.Length} bytes)");
        }
    }

    // Half of the time one of the newest: what was just reached may lead further.
    private byte[] Choose() => _inputs[_random.Next(2) == 0 ? _random.Next(_inputs.Count) : _inputs.Count - 1 - _random.Next(Math.Min(_inputs.Count, 50))];

    private void Report() => Console.WriteLine(
        $"{_target.Name}: {_clock.Elapsed.TotalSeconds:0} s, {_runs} inputs ({_runs / _clock.Elapsed.TotalSeconds:0}/s), " +
        $"{_inputs.Count} worth keeping, {_known.Count} features, {_defects.Count} defects");
}
