using VmCrypt.Core.Block;

namespace VmCrypt.Core.Tests.Support;

/// <summary>Counts the bytes that are read and written. Owns the device below.</summary>
internal sealed class CountingDevice(IBlockDevice inner) : FilterDevice(inner)
{
    private long _read;
    private long _written;

    public long BytesRead => Interlocked.Read(ref _read);

    /// <summary>Zeros that were written count, too, holes that were asked for do not.</summary>
    public long BytesWritten => Interlocked.Read(ref _written);

    public override ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        Interlocked.Add(ref _read, buffer.Length);
        return base.ReadAsync(offset, buffer, cancellationToken);
    }

    public override ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        Interlocked.Add(ref _written, buffer.Length);
        return base.WriteAsync(offset, buffer, cancellationToken);
    }
}
