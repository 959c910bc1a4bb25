using VmCrypt.Core.Block;

namespace VmCrypt.Core.Tests.Support;

/// <summary>Passes everything through and notes each effect once it has succeeded. Owns the device below.</summary>
internal sealed class RecordingDevice(IBlockDevice inner, EffectLog? log = null) : IBlockDevice
{
    public EffectLog Log { get; } = log ?? new EffectLog();

    public IReadOnlyList<Effect> Effects => Log.Effects;

    public long Length => inner.Length;

    public BlockTraits Traits => inner.Traits;

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        inner.ReadAsync(offset, buffer, cancellationToken);

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        await inner.WriteAsync(offset, buffer, cancellationToken);
        Log.Add(new WriteEffect(this, offset, buffer.ToArray()));
    }

    public async ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        await inner.ZeroAsync(offset, count, flags, cancellationToken);
        Log.Add(new ZeroEffect(this, offset, count, flags));
    }

    public async ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        await inner.TrimAsync(offset, count, cancellationToken);
        Log.Add(new TrimEffect(this, offset, count));
    }

    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        await inner.FlushAsync(cancellationToken);
        Log.Add(new FlushEffect(this));
    }

    public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) =>
        inner.ExtentsAsync(offset, count, cancellationToken);

    public async ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        await inner.SetLengthAsync(length, cancellationToken);
        Log.Add(new SetLengthEffect(this, length));
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
