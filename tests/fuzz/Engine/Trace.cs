using System.Numerics;

namespace VmCrypt.Fuzz.Engine;

/// <summary>What happened while one input was run, as a set of hashes; the same on every machine and in every run.</summary>
internal sealed class Trace
{
    private const ulong Basis = 14695981039346656037;
    private const ulong Prime = 1099511628211;

    private readonly HashSet<ulong> _features = [];
    private ulong _last;

    public IReadOnlyCollection<ulong> Features => _features;

    /// <summary>Something happened, about so often, so far or so large: only the order of magnitude counts.</summary>
    public void Note(string what, long size = 0)
    {
        ulong name = Hash(what);
        ulong magnitude = size < 0 ? 64 : 64 - (ulong)BitOperations.LeadingZeroCount((ulong)size);
        _features.Add((name * Prime) ^ magnitude);
        // What came right before tells paths apart on which the same things happen.
        _features.Add((name * Prime * Prime) ^ _last);
        _last = name;
    }

    /// <summary>Exactly these bytes came out, save for what they say in numbers that grow.</summary>
    public void Note(string what, ReadOnlySpan<byte> bytes)
    {
        ulong feature = Hash(what);
        foreach (byte value in bytes)
        {
            feature = (feature ^ value) * Prime;
        }

        _features.Add(feature);
    }

    private static ulong Hash(string text) => text.Aggregate(Basis, (hash, sign) => (hash ^ sign) * Prime);
}
