using VmCrypt.Core.Block;

namespace VmCrypt.Core.Wipe.Targets;

/// <summary>Several devices end to end, for reading and writing. Does not own them.</summary>
internal sealed class JoinedDevice : IBlockDevice
{
    private readonly IBlockDevice[] _parts;
    private readonly long[] _starts;

    public JoinedDevice(IBlockDevice[] parts)
    {
        _parts = parts;
        _starts = new long[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            _starts[i] = Length;
            Length += parts[i].Length;
        }
    }

    public long Length { get; }

    public BlockTraits Traits { get; } = new() { CanWrite = true };

    public long StartOf(int part) => _starts[part];

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, buffer.Length);
        while (buffer.Length > 0)
        {
            (IBlockDevice part, long at, int count) = Locate(offset, buffer.Length);
            await part.ReadAsync(at, buffer[..count], cancellationToken);
            buffer = buffer[count..];
            offset += count;
        }
    }

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, buffer.Length);
        while (buffer.Length > 0)
        {
            (IBlockDevice part, long at, int count) = Locate(offset, buffer.Length);
            await part.WriteAsync(at, buffer[..count], cancellationToken);
            buffer = buffer[count..];
            offset += count;
        }
    }

    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        foreach (IBlockDevice part in _parts)
        {
            await part.FlushAsync(cancellationToken);
        }
    }

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) => throw new NotSupportedException();

    public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private (IBlockDevice Part, long Offset, int Count) Locate(long offset, int count)
    {
        int index = Array.BinarySearch(_starts, offset);
        index = index >= 0 ? index : ~index - 1;
        long at = offset - _starts[index];
        return (_parts[index], at, (int)Math.Min(count, _parts[index].Length - at));
    }
}
