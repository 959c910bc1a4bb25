using System.Numerics;

namespace VmCrypt.Core.Nbd;

/// <summary>The buffers of one server's requests, of all its clients together; their bytes never leave it.</summary>
/// <remarks>
/// They hold guest plaintext. Wiping each after its request would cost the server a few percent of its speed, so they are kept
/// apart instead: pinned, so that the collector leaves no copies; never in a pool that others rent from; wiped when the server stops.
/// </remarks>
/// <param name="budget">Bytes of all buffers, lent and kept; whoever wants more waits until some come back.</param>
/// <param name="patience">How long a request waits before <paramref name="starved"/> is called, and again.</param>
/// <param name="starved">Tells that requests wait for memory; may make a client return some.</param>
internal sealed class NbdBufferPool(long budget = long.MaxValue, TimeSpan? patience = null, Action? starved = null) : IDisposable
{
    // Enough for every connection of a busy client at its usual request size, little beside the page cache of the disk.
    private const int KeptBytesPerClass = 16 * 1024 * 1024;
    private const int SmallestClassLog2 = 12;
    private const int LargestClassLog2 = 25;

    private readonly object _gate = new();
    private readonly TimeSpan _patience = patience ?? TimeSpan.FromSeconds(10);
    private readonly Stack<NbdBuffer>[] _classes =
        [.. Enumerable.Range(SmallestClassLog2, LargestClassLog2 - SmallestClassLog2 + 1).Select(_ => new Stack<NbdBuffer>())];

    private long _lent;
    private long _kept;
    private bool _disposed;

    /// <summary>Bytes of buffers that requests hold at this moment.</summary>
    public long Lent => Volatile.Read(ref _lent);

    /// <summary>A buffer; waits where the budget is spent, unless nobody else holds any of it.</summary>
    /// <param name="length">Up to <see cref="Block.Nbd.NbdLimits.MaxPayload"/>.</param>
    public NbdBuffer Rent(int length)
    {
        int sizeClass = ClassOf(length);
        int capacity = 1 << (sizeClass + SmallestClassLog2);
        NbdBuffer? buffer;
        while (!TryRent(sizeClass, capacity, out buffer))
        {
            starved?.Invoke();
        }

        buffer ??= new NbdBuffer(capacity);
        buffer.Length = length;
        return buffer;
    }

    public void Return(NbdBuffer buffer)
    {
        Stack<NbdBuffer> kept = _classes[ClassOf(buffer.Capacity)];
        lock (_gate)
        {
            _lent -= buffer.Capacity;
            Monitor.PulseAll(_gate);
            if (!_disposed && (kept.Count == 0 || kept.Count < KeptBytesPerClass / buffer.Capacity))
            {
                kept.Push(buffer);
                _kept += buffer.Capacity;
                return;
            }
        }

        buffer.Wipe();
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            Drop(long.MaxValue);
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>False when it waited in vain; the buffer is null where a new one has to be made.</summary>
    private bool TryRent(int sizeClass, int capacity, out NbdBuffer? buffer)
    {
        lock (_gate)
        {
            while (!_classes[sizeClass].TryPop(out buffer))
            {
                // When the server stops nobody is kept waiting.
                if (_lent + capacity <= budget || _lent == 0 || _disposed)
                {
                    _lent += capacity;
                    Drop(_lent + _kept - budget);
                    return true;
                }

                if (!Monitor.Wait(_gate, _patience))
                {
                    return false;
                }
            }

            _lent += capacity;
            _kept -= capacity;
            return true;
        }
    }

    /// <summary>Gives up kept buffers of other sizes, the largest first.</summary>
    private void Drop(long bytes)
    {
        for (int sizeClass = _classes.Length - 1; sizeClass >= 0 && bytes > 0 && _kept > 0; sizeClass--)
        {
            while (bytes > 0 && _classes[sizeClass].TryPop(out NbdBuffer? buffer))
            {
                buffer.Wipe();
                bytes -= buffer.Capacity;
                _kept -= buffer.Capacity;
            }
        }
    }

    private static int ClassOf(int length) => Math.Max(0, BitOperations.Log2((uint)length - 1) + 1 - SmallestClassLog2);
}

/// <summary>The data of one request, with room for a reply's header right before it so that both go out as one.</summary>
internal sealed class NbdBuffer(int capacity)
{
    // Keeps the data on a cache line's boundary behind the longest header (a chunk's 20 bytes and its offset's 8).
    private const int HeaderRoom = 64;

    private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(HeaderRoom + capacity, pinned: true);

    public int Capacity { get; } = capacity;

    public int Length { get; set; }

    public Memory<byte> Data => _bytes.AsMemory(HeaderRoom, Length);

    /// <summary>The last <paramref name="headerLength"/> bytes of the room, and the data.</summary>
    public Memory<byte> WithHeader(int headerLength) => _bytes.AsMemory(HeaderRoom - headerLength, headerLength + Length);

    public void Wipe() => _bytes.AsSpan().Clear();
}
