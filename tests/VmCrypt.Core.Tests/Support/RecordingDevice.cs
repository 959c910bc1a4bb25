using VmCrypt.Core.Block;

namespace VmCrypt.Core.Tests.Support;

/// <summary>Passes everything through and notes each effect once it has succeeded. Owns the device below.</summary>
internal sealed class RecordingDevice(IBlockDevice inner, EffectLog? log = null) : FilterDevice(inner)
{
    public EffectLog Log { get; } = log ?? new EffectLog();

    public IReadOnlyList<Effect> Effects => Log.Effects;

    public override async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        await base.WriteAsync(offset, buffer, cancellationToken);
        Log.Add(new WriteEffect(this, offset, buffer.ToArray()));
    }

    public override async ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        await base.ZeroAsync(offset, count, flags, cancellationToken);
        Log.Add(new ZeroEffect(this, offset, count, flags));
    }

    public override async ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        await base.TrimAsync(offset, count, cancellationToken);
        Log.Add(new TrimEffect(this, offset, count));
    }

    public override async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        await base.FlushAsync(cancellationToken);
        Log.Add(new FlushEffect(this));
    }

    public override async ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        await base.SetLengthAsync(length, cancellationToken);
        Log.Add(new SetLengthEffect(this, length));
    }
}
