using System.Runtime.CompilerServices;
using VmCrypt.Core.Block;

namespace VmCrypt.Core.Tests.Nbd;

/// <summary>A device whose reads, writes and flushes do what a test wants before they go through.</summary>
internal sealed class GateDevice(IBlockDevice inner, Func<GateDevice.Call, CancellationToken, ValueTask> before) : IBlockDevice
{
    private int _running;
    private int _mostRunning;

    public enum Call
    {
        Read,
        Write,
        Flush,
        Other,
    }

    public bool IsDisposed { get; private set; }

    /// <summary>Most calls that were inside at one time.</summary>
    public int MostRunning => _mostRunning;

    public long Length => inner.Length;

    public BlockTraits Traits => inner.Traits;

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        await PassAsync(Call.Read, cancellationToken);
        await inner.ReadAsync(offset, buffer, cancellationToken);
    }

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        await PassAsync(Call.Write, cancellationToken);
        await inner.WriteAsync(offset, buffer, cancellationToken);
    }

    public async ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        await PassAsync(Call.Other, cancellationToken);
        await inner.ZeroAsync(offset, count, flags, cancellationToken);
    }

    public async ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        await PassAsync(Call.Other, cancellationToken);
        await inner.TrimAsync(offset, count, cancellationToken);
    }

    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        await PassAsync(Call.Flush, cancellationToken);
        await inner.FlushAsync(cancellationToken);
    }

    public async IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await PassAsync(Call.Other, cancellationToken);
        await foreach (Extent extent in inner.ExtentsAsync(offset, count, cancellationToken))
        {
            yield return extent;
        }
    }

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => inner.SetLengthAsync(length, cancellationToken);

    public ValueTask DisposeAsync()
    {
        IsDisposed = true;
        return inner.DisposeAsync();
    }

    private async ValueTask PassAsync(Call call, CancellationToken cancellationToken)
    {
        int running = Interlocked.Increment(ref _running);
        for (int most = _mostRunning; running > most; most = _mostRunning)
        {
            Interlocked.CompareExchange(ref _mostRunning, running, most);
        }

        try
        {
            await before(call, cancellationToken);
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }
    }
}
