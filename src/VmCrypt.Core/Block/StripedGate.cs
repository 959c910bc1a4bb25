namespace VmCrypt.Core.Block;

/// <summary>Mutual exclusion per block number, with a fixed number of locks: blocks that share a stripe wait for one another.</summary>
internal sealed class StripedGate : IDisposable
{
    private const int Stripes = 64;

    private readonly SemaphoreSlim[] _gates = [.. Enumerable.Range(0, Stripes).Select(_ => new SemaphoreSlim(1, 1))];

    /// <summary>Waits for both blocks (which may be the same); disposing the hold lets them go.</summary>
    /// <remarks>Every caller takes the lower stripe first, so no two can wait for each other.</remarks>
    public async ValueTask<Hold> EnterAsync(long first, long second, CancellationToken cancellationToken)
    {
        SemaphoreSlim low = _gates[Math.Min(StripeOf(first), StripeOf(second))];
        SemaphoreSlim high = _gates[Math.Max(StripeOf(first), StripeOf(second))];
        await low.WaitAsync(cancellationToken);
        if (low == high)
        {
            return new Hold(low, null);
        }

        try
        {
            await high.WaitAsync(cancellationToken);
        }
        catch
        {
            low.Release();
            throw;
        }

        return new Hold(low, high);
    }

    public void Dispose()
    {
        foreach (SemaphoreSlim gate in _gates)
        {
            gate.Dispose();
        }
    }

    private static int StripeOf(long block) => (int)(block & (Stripes - 1));

    internal readonly struct Hold(SemaphoreSlim low, SemaphoreSlim? high) : IDisposable
    {
        public void Dispose()
        {
            high?.Release();
            low.Release();
        }
    }
}
