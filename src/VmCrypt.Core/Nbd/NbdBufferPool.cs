using System.Numerics;

namespace VmCrypt.Core.Nbd;

/// <summary>The buffers of one server's requests; their bytes never leave it.</summary>
/// <remarks>
/// They hold guest plaintext. Wiping each after its request would cost the server a few percent of its speed, so they are kept
/// apart instead: pinned, so that the collector leaves no copies; never in a pool that others rent from; wiped when the server stops.
/// </remarks>
internal sealed class NbdBufferPool : IDisposable
{
    // Enough for every connection of a busy client at its usual request size, little beside the page cache of the disk.
    private const int KeptBytesPerClass = 16 * 1024 * 1024;
    private const int SmallestClassLog2 = 12;
    private const int LargestClassLog2 = 25;

    private readonly Stack<NbdBuffer>[] _classes =
        [.. Enumerable.Range(SmallestClassLog2, LargestClassLog2 - SmallestClassLog2 + 1).Select(_ => new Stack<NbdBuffer>())];

    private bool _disposed;

    /// <param name="length">Up to <see cref="Block.Nbd.NbdLimits.MaxPayload"/>.</param>
    public NbdBuffer Rent(int length)
    {
        int sizeClass = ClassOf(length);
        Stack<NbdBuffer> kept = _classes[sizeClass];
        lock (kept)
        {
            if (kept.TryPop(out NbdBuffer? buffer))
            {
                buffer.Length = length;
                return buffer;
            }
        }

        return new NbdBuffer(1 << (sizeClass + SmallestClassLog2)) { Length = length };
    }

    public void Return(NbdBuffer buffer)
    {
        Stack<NbdBuffer> kept = _classes[ClassOf(buffer.Capacity)];
        lock (kept)
        {
            if (!_disposed && (kept.Count == 0 || kept.Count < KeptBytesPerClass / buffer.Capacity))
            {
                kept.Push(buffer);
                return;
            }
        }

        buffer.Wipe();
    }

    public void Dispose()
    {
        _disposed = true;
        foreach (Stack<NbdBuffer> kept in _classes)
        {
            lock (kept)
            {
                while (kept.TryPop(out NbdBuffer? buffer))
                {
                    buffer.Wipe();
                }
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
