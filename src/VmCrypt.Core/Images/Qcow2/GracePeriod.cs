namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Knows when every access that may still use an old place of guest data has ended, so that the place can be given away.</summary>
/// <remarks>An access enters before it looks up places and leaves after its data has moved. Entering never waits.</remarks>
internal sealed class GracePeriod
{
    private readonly Lock _lock = new();
    private Generation _current = new(null);

    public Visit Enter()
    {
        lock (_lock)
        {
            _current.Visitors++;
            return new Visit(this, _current);
        }
    }

    /// <summary>Starts a new generation; the answer says when all earlier ones have ended.</summary>
    public Generation Advance()
    {
        lock (_lock)
        {
            Generation closed = _current;
            _current = new Generation(closed);
            return closed;
        }
    }

    public bool HasEnded(Generation generation)
    {
        lock (_lock)
        {
            // Drops ended predecessors, so that the chain stays short.
            while (generation.Earlier is { Visitors: 0, Earlier: var earlier })
            {
                generation.Earlier = earlier;
            }

            return generation.Visitors == 0 && generation.Earlier is null;
        }
    }

    private void Leave(Generation generation)
    {
        lock (_lock)
        {
            generation.Visitors--;
        }
    }

    internal sealed class Generation(Generation? earlier)
    {
        public int Visitors { get; set; }

        public Generation? Earlier { get; set; } = earlier;
    }

    internal readonly struct Visit(GracePeriod period, Generation generation) : IDisposable
    {
        public void Dispose() => period.Leave(generation);
    }
}
