using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;

namespace VmCrypt.Core.Nbd;

/// <summary>Turns a request that passed the rules into calls of the export's device; knows nothing of answers.</summary>
internal sealed class NbdRequestHandler(IBlockDevice device, NbdBufferPool buffers)
{
    private const int CachePiece = 1024 * 1024;

    public ValueTask ReadAsync(in NbdRequest request, Memory<byte> target, CancellationToken cancellationToken) =>
        device.ReadAsync((long)request.Offset, target, cancellationToken);

    /// <summary>Everything but reads and extents.</summary>
    public ValueTask PerformAsync(in NbdIncoming incoming, CancellationToken cancellationToken)
    {
        NbdRequest request = incoming.Request;
        long offset = (long)request.Offset;
        ValueTask change = request.Command switch
        {
            NbdCommand.Write => device.WriteAsync(offset, incoming.Data!.Data, cancellationToken),
            NbdCommand.WriteZeroes => device.ZeroAsync(offset, request.Length, ZeroFlagsOf(request.Flags), cancellationToken),
            NbdCommand.Trim => device.TrimAsync(offset, request.Length, cancellationToken),
            NbdCommand.Cache => CacheAsync(offset, request.Length, cancellationToken),
            NbdCommand.Flush => device.FlushAsync(cancellationToken),
            _ => throw new InvalidOperationException($"The rules let command {request.Command} through."),
        };
        bool persist = request.Flags.HasFlag(NbdCommandFlags.ForceUnitAccess)
            && request.Command is NbdCommand.Write or NbdCommand.WriteZeroes or NbdCommand.Trim;
        return persist ? ThenFlushAsync(change, cancellationToken) : change;
    }

    /// <summary>Adds what the range is made of, neighbours of one kind as one, as far as an answer may go.</summary>
    public async ValueTask ExtentsAsync(
        NbdRequest request, List<(uint Length, NbdExtentFlags Flags)> found, CancellationToken cancellationToken)
    {
        int most = request.Flags.HasFlag(NbdCommandFlags.RequireOne) ? 1 : NbdLimits.MaxExtentsSent;
        await foreach (Extent extent in device.ExtentsAsync((long)request.Offset, request.Length, cancellationToken))
        {
            NbdExtentFlags flags = FlagsOf(extent.Kind);
            if (found.Count > 0 && found[^1].Flags == flags)
            {
                found[^1] = (found[^1].Length + (uint)extent.Length, flags);
            }
            else if (found.Count == most)
            {
                return;
            }
            else
            {
                found.Add(((uint)extent.Length, flags));
            }
        }
    }

    private static NbdExtentFlags FlagsOf(ExtentKind kind) => kind switch
    {
        ExtentKind.Hole => NbdExtentFlags.Hole | NbdExtentFlags.Zero,
        ExtentKind.Zero => NbdExtentFlags.Zero,
        _ => NbdExtentFlags.Data,
    };

    private static ZeroFlags ZeroFlagsOf(NbdCommandFlags flags) =>
        (flags.HasFlag(NbdCommandFlags.NoHole) ? ZeroFlags.KeepAllocated : ZeroFlags.None)
        | (flags.HasFlag(NbdCommandFlags.FastZero) ? ZeroFlags.OnlyIfFast : ZeroFlags.None);

    private async ValueTask ThenFlushAsync(ValueTask change, CancellationToken cancellationToken)
    {
        await change;
        await device.FlushAsync(cancellationToken);
    }

    /// <summary>Reading is what warms every cache below, whatever the device is made of.</summary>
    private async ValueTask CacheAsync(long offset, long length, CancellationToken cancellationToken)
    {
        NbdBuffer buffer = buffers.Rent((int)Math.Min(length, CachePiece));
        try
        {
            for (long end = offset + length; offset < end; offset += buffer.Length)
            {
                buffer.Length = (int)Math.Min(buffer.Length, end - offset);
                await device.ReadAsync(offset, buffer.Data, cancellationToken);
            }
        }
        finally
        {
            buffers.Return(buffer);
        }
    }
}
