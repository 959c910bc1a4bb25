using System.Runtime.CompilerServices;

namespace VmCrypt.Core.Block;

/// <summary>A device in memory, for tests and small images; not sparse.</summary>
public sealed class MemoryDevice : IBlockDevice
{
    // Growing replaces the array: nobody may write to the old one meanwhile.
    private readonly Lock _lock = new();
    private byte[] _bytes;

    public MemoryDevice(long length, bool writable = true)
        : this(new byte[length], writable)
    {
    }

    /// <summary>Works on <paramref name="bytes"/> itself, not on a copy, until it is resized.</summary>
    public MemoryDevice(byte[] bytes, bool writable = true)
    {
        _bytes = bytes;
        Traits = new BlockTraits { CanWrite = writable, CanResize = writable, CanZeroFast = true, CanTrim = true };
    }

    public long Length => _bytes.Length;

    public BlockTraits Traits { get; }

    /// <summary>A copy of the content.</summary>
    public byte[] ToArray() => [.. _bytes];

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        BlockGuard.Range(this, offset, buffer.Length);
        lock (_lock)
        {
            _bytes.AsSpan((int)offset, buffer.Length).CopyTo(buffer.Span);
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        BlockGuard.WritableRange(this, offset, buffer.Length);
        lock (_lock)
        {
            buffer.Span.CopyTo(_bytes.AsSpan((int)offset));
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        BlockGuard.WritableRange(this, offset, count);
        lock (_lock)
        {
            _bytes.AsSpan((int)offset, (int)count).Clear();
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) =>
        ZeroAsync(offset, count, ZeroFlags.None, cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public async IAsyncEnumerable<Extent> ExtentsAsync(
        long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, count);
        await ValueTask.CompletedTask;
        if (count > 0)
        {
            yield return new Extent(offset, count, ExtentKind.Data);
        }
    }

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        BlockGuard.Resizable(this, length);
        lock (_lock)
        {
            Array.Resize(ref _bytes, checked((int)length));
        }

        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
