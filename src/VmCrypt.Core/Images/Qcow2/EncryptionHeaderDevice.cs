using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>The area of the LUKS header. Writing to it is writing to the image, so the first write honours the image's autoclear features.</summary>
internal sealed class EncryptionHeaderDevice(SubDevice area, ImageTables tables) : IBlockDevice
{
    public long Length => area.Length;

    public BlockTraits Traits => area.Traits;

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        area.ReadAsync(offset, buffer, cancellationToken);

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, buffer.Length);
        await PrepareAsync(cancellationToken);
        await area.WriteAsync(offset, buffer, cancellationToken);
    }

    public async ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, count);
        await PrepareAsync(cancellationToken);
        await area.ZeroAsync(offset, count, flags, cancellationToken);
    }

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, count);
        return ValueTask.CompletedTask;
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken) => area.FlushAsync(cancellationToken);

    public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) =>
        area.ExtentsAsync(offset, count, cancellationToken);

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => area.SetLengthAsync(length, cancellationToken);

    public ValueTask DisposeAsync() => area.DisposeAsync();

    private async ValueTask PrepareAsync(CancellationToken cancellationToken)
    {
        using (await tables.Lock.EnterAsync(cancellationToken))
        {
            await tables.ClearUnknownFeaturesAsync(cancellationToken);
        }
    }
}
