using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Vhdx;

/// <summary>The file as its log wants it: while the log waits, an overlay in memory has replayed it; the first change replays it for real.</summary>
internal sealed class VhdxStorage : FilterDevice
{
    private readonly VhdxHeaderPair _headers;
    private readonly List<VhdxLogEntry> _pending;
    private OverlayDevice? _overlay;

    private VhdxStorage(IBlockDevice file, VhdxHeaderPair headers, List<VhdxLogEntry> pending, OverlayDevice? overlay)
        : base(file)
    {
        _headers = headers;
        _pending = pending;
        _overlay = overlay;
    }

    public override long Length => _overlay?.Length ?? base.Length;

    public bool IsReplayPending => _overlay is not null;

    /// <summary>Takes <paramref name="file"/> (not if this throws).</summary>
    public static async ValueTask<VhdxStorage> OpenAsync(IBlockDevice file, VhdxHeaderPair headers, CancellationToken cancellationToken)
    {
        List<VhdxLogEntry> pending = await VhdxReplay.ReadAsync(file, headers.Current, cancellationToken);
        OverlayDevice? overlay = null;
        if (pending.Count > 0)
        {
            overlay = new OverlayDevice(file, ownsBase: false);
            await VhdxReplay.ApplyAsync(overlay, headers.Current, pending, cancellationToken);
        }

        return new VhdxStorage(file, headers, pending, overlay);
    }

    /// <summary>Replays the log into the file, if it waits. Repeating it after a crash does the same again.</summary>
    public async ValueTask ReplayAsync(CancellationToken cancellationToken)
    {
        if (_overlay is null)
        {
            return;
        }

        await VhdxReplay.ApplyAsync(Inner, _headers.Current, _pending, cancellationToken);
        await Inner.FlushAsync(cancellationToken);
        _overlay = null;
    }

    public override ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        _overlay?.ReadAsync(offset, buffer, cancellationToken) ?? base.ReadAsync(offset, buffer, cancellationToken);

    public override IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) =>
        _overlay?.ExtentsAsync(offset, count, cancellationToken) ?? base.ExtentsAsync(offset, count, cancellationToken);
}
