namespace VmCrypt.Core.Block;

/// <summary>A device as a <see cref="Stream"/>, for scripts and libraries that know nothing else; one caller at a time.</summary>
/// <remarks>Writing past the end grows the device where it can be resized, and fails where it cannot.</remarks>
public sealed class DeviceStream : Stream
{
    private readonly IBlockDevice _device;
    private IAsyncDisposable? _owned;
    private long _position;

    /// <param name="device">Needs no alignment.</param>
    /// <param name="owned">Disposed with the stream: the device, or what the device belongs to; null for nothing.</param>
    public DeviceStream(IBlockDevice device, IAsyncDisposable? owned)
    {
        BlockGuard.Aligned(device, 1, 1);
        _device = device;
        _owned = owned;
    }

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => _device.Traits.CanWrite;

    public override long Length => _device.Length;

    public override long Position
    {
        get => _position;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _position = value;
        }
    }

    public override long Seek(long offset, SeekOrigin origin) => Position = checked(offset + origin switch
    {
        SeekOrigin.Begin => 0,
        SeekOrigin.Current => _position,
        SeekOrigin.End => Length,
        _ => throw new ArgumentOutOfRangeException(nameof(origin)),
    });

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int count = (int)Math.Clamp(Length - _position, 0, buffer.Length);
        if (count > 0)
        {
            await _device.ReadAsync(_position, buffer[..count], cancellationToken);
            _position += count;
        }

        return count;
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        long end = checked(_position + buffer.Length);
        if (end > Length && _device.Traits.CanResize)
        {
            await _device.SetLengthAsync(end, cancellationToken);
        }

        await _device.WriteAsync(_position, buffer, cancellationToken);
        _position = end;
    }

    public override Task FlushAsync(CancellationToken cancellationToken) =>
        CanWrite ? _device.FlushAsync(cancellationToken).AsTask() : Task.CompletedTask;

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    // The synchronous half waits: a script's thread has nothing else to do.
    public override int Read(byte[] buffer, int offset, int count) =>
        ReadAsync(buffer, offset, count, CancellationToken.None).GetAwaiter().GetResult();

    public override void Write(byte[] buffer, int offset, int count) =>
        WriteAsync(buffer, offset, count, CancellationToken.None).GetAwaiter().GetResult();

    public override void Flush() => FlushAsync(CancellationToken.None).GetAwaiter().GetResult();

    public override void SetLength(long value)
    {
        _device.SetLengthAsync(value, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        _position = Math.Min(_position, value);
    }

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _owned, null) is { } owned)
        {
            await owned.DisposeAsync();
        }

        await base.DisposeAsync();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && Interlocked.Exchange(ref _owned, null) is { } owned)
        {
            owned.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }

        base.Dispose(disposing);
    }
}
