namespace VmCrypt.Core.Wipe.Engine;

/// <summary>Hands out chunks in order and knows up to where all of them are done.</summary>
internal sealed class Frontier(IEnumerator<Chunk> chunks, long start, int workers)
{
    private readonly Lock _gate = new();

    // Where each worker's chunk begins; long.MaxValue while it has none.
    private readonly long[] _inFlight = [.. Enumerable.Repeat(long.MaxValue, workers)];

    private long _next = start;

    public int Workers => workers;

    /// <summary>Every byte before this position is done.</summary>
    public long Safe
    {
        get
        {
            lock (_gate)
            {
                return Math.Min(_inFlight.Min(), _next);
            }
        }
    }

    /// <summary>The last chunk of <paramref name="worker"/> is done; gives the next, null where none is left.</summary>
    public Chunk? Next(int worker)
    {
        lock (_gate)
        {
            _inFlight[worker] = long.MaxValue;
            if (!chunks.MoveNext())
            {
                return null;
            }

            Chunk chunk = chunks.Current;
            _inFlight[worker] = chunk.Position;
            _next = chunk.Position + chunk.Length;
            return chunk;
        }
    }
}
