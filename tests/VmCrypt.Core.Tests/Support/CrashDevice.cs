using VmCrypt.Core.Block;

namespace VmCrypt.Core.Tests.Support;

/// <summary>The machine is gone: thrown by every call after a <see cref="CrashPlan"/> has run out.</summary>
internal sealed class CrashException() : Exception("The machine has stopped, as the test planned.");

/// <summary>Lets a number of effects happen, then nothing any more; one plan may serve several devices.</summary>
internal sealed class CrashPlan(int effects)
{
    private readonly int _allowed = effects;
    private int _left = effects;

    /// <summary>Effects that happened.</summary>
    public int Spent => _allowed - Math.Max(0, Volatile.Read(ref _left));

    public bool Crashed => Volatile.Read(ref _left) < 0;

    /// <summary>Counts one effect about to happen.</summary>
    public void Spend()
    {
        if (Interlocked.Decrement(ref _left) < 0)
        {
            throw new CrashException();
        }
    }

    public void ThrowIfCrashed()
    {
        if (Crashed)
        {
            throw new CrashException();
        }
    }
}

/// <summary>Stops for good before the effect that its plan forbids: from then on even reads throw. Owns the device below.</summary>
/// <remarks>For what a process does when its disk dies under it. For what it finds at the next start, see <see cref="DiskHistory"/>.</remarks>
internal sealed class CrashDevice(IBlockDevice inner, CrashPlan plan) : IBlockDevice
{
    public long Length => inner.Length;

    public BlockTraits Traits => inner.Traits;

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        plan.ThrowIfCrashed();
        return inner.ReadAsync(offset, buffer, cancellationToken);
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        plan.Spend();
        return inner.WriteAsync(offset, buffer, cancellationToken);
    }

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        plan.Spend();
        return inner.ZeroAsync(offset, count, flags, cancellationToken);
    }

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        plan.Spend();
        return inner.TrimAsync(offset, count, cancellationToken);
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        plan.Spend();
        return inner.FlushAsync(cancellationToken);
    }

    public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken)
    {
        plan.ThrowIfCrashed();
        return inner.ExtentsAsync(offset, count, cancellationToken);
    }

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        plan.Spend();
        return inner.SetLengthAsync(length, cancellationToken);
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
