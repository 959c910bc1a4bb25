using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Support;

/// <summary>Has no room after some writes, as a sparse file on a full file system: reads and flushes go on. Owns the device below.</summary>
internal sealed class FullDevice(IBlockDevice inner, int writes) : IBlockDevice
{
    private int _left = writes;

    public long Length => inner.Length;

    public BlockTraits Traits => inner.Traits;

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) => inner.ReadAsync(offset, buffer, cancellationToken);

    // As a file system does it: a part of what did not fit is there.
    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        bool fits = Interlocked.Decrement(ref _left) >= 0;
        await inner.WriteAsync(offset, fits ? buffer : buffer[..(buffer.Length / 1024 * 512)], cancellationToken);
        if (!fits)
        {
            throw Full();
        }
    }

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) => inner.ZeroAsync(offset, count, flags, cancellationToken);

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) => inner.TrimAsync(offset, count, cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) => inner.ExtentsAsync(offset, count, cancellationToken);

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) =>
        Interlocked.Decrement(ref _left) >= 0 ? inner.SetLengthAsync(length, cancellationToken) : throw Full();

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private static DeviceFaultException Full() => new(ErrorIds.DiskFull, "The file system is full, as the test planned.");
}
