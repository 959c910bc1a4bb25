using System.Runtime.CompilerServices;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd;

/// <summary>An export of an NBD server as a device.</summary>
/// <remarks>
/// <para>Several connections are used where the server says that they see each other's writes. Requests longer than the
/// server takes are split; the pieces of one call run side by side.</para>
/// <para>There is no reconnecting. A server that went away may have lost writes that it had acknowledged and we had not
/// flushed, and a new connection would hide that. So when one connection breaks the whole device fails, with
/// <see cref="ErrorIds.NbdConnectionLost"/>, for good; who opened it decides what is to be written again.</para>
/// </remarks>
public sealed class NbdDevice : IBlockDevice
{
    // Long enough that the round trip does not count, short enough to keep several connections busy with one large call.
    private const int Piece = 1024 * 1024;

    private const int MaxPiecesAtOnce = 16;

    // BLOCK_STATUS has 32 bits for a length; the server may answer for less anyway.
    private const long ExtentsPiece = 1L << 30;

    private static readonly byte[] s_zeros = new byte[Piece];

    private readonly NbdConnection[] _connections;
    private readonly NbdAgreement _agreement;
    private int _turn;

    private NbdDevice(NbdConnection[] connections, bool readOnly)
    {
        _connections = connections;
        _agreement = connections[0].Agreement;
        Length = _agreement.Size;
        Traits = new BlockTraits
        {
            CanWrite = !readOnly && !Offers(NbdTransmissionFlags.ReadOnly),
            CanZeroFast = Offers(NbdTransmissionFlags.SendWriteZeroes),
            CanTrim = Offers(NbdTransmissionFlags.SendTrim),
            RequiredAlignment = _agreement.MinimumBlock,
            PreferredBlock = _agreement.PreferredBlock,
        };
    }

    public long Length { get; }

    public BlockTraits Traits { get; }

    /// <summary>Connects and negotiates; nothing is written.</summary>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.NbdConnectFailed"/>, <see cref="ErrorIds.NbdConnectionLost"/>, <see cref="ErrorIds.NbdOptionRefused"/>.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.NbdExportNotFound"/>.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.TlsCredentialsInvalid"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.NbdTlsRequired"/>, <see cref="ErrorIds.NbdTlsRefused"/>; or the server's certificate was refused: an id that begins with Tls.</exception>
    /// <exception cref="ProtocolException">The server breaks the protocol: an id that begins with Nbd.</exception>
    public static async Task<NbdDevice> ConnectAsync(NbdUri uri, NbdClientOptions options, CancellationToken cancellationToken)
    {
        var connections = new List<NbdConnection>();
        try
        {
            do
            {
                connections.Add(await OpenAsync(uri, options, cancellationToken));
                if (!connections[^1].Agreement.IsLike(connections[0].Agreement))
                {
                    throw new ProtocolException(ErrorIds.NbdExportInvalid, "The NBD server describes the export differently on each connection.");
                }
            }
            while (connections.Count < options.MaxConnections && connections[0].Agreement.Has(NbdTransmissionFlags.CanMultiConn));

            return new NbdDevice([.. connections], options.ReadOnly);
        }
        catch
        {
            foreach (NbdConnection connection in connections)
            {
                await connection.DisposeAsync();
            }

            throw;
        }
    }

    /// <summary>The exports that the server at the address of <paramref name="uri"/> shows.</summary>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.NbdConnectFailed"/>, <see cref="ErrorIds.NbdOptionRefused"/>.</exception>
    public static async Task<IReadOnlyList<NbdExportInfo>> ListAsync(NbdUri uri, CancellationToken cancellationToken)
    {
        (NbdChannel channel, _, NbdClientHandshake done) = await NbdConnector.ConnectAsync(
            uri, list: true, NbdClientOptions.Default.ConnectTimeout, cancellationToken);
        channel.Dispose();
        return done.Exports!;
    }

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, buffer.Length);
        BlockGuard.Aligned(this, offset, buffer.Length);
        return new ValueTask(InPiecesAsync(offset, buffer.Length, DataPiece, (at, length) =>
            CallAsync(new NbdCall(NbdCommand.Read, NbdCommandFlags.None, at, length, buffer.Slice((int)(at - offset), length)), default, cancellationToken)));
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, buffer.Length);
        BlockGuard.Aligned(this, offset, buffer.Length);
        return new ValueTask(InPiecesAsync(offset, buffer.Length, DataPiece, (at, length) =>
            CallAsync(new NbdCall(NbdCommand.Write, NbdCommandFlags.None, at, length), buffer.Slice((int)(at - offset), length), cancellationToken)));
    }

    /// <summary>Without WRITE_ZEROES at the server zeros are written; without FAST_ZERO nothing is known to be fast.</summary>
    public async ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, count);
        BlockGuard.Aligned(this, offset, count);
        if (!Offers(NbdTransmissionFlags.SendFastZero))
        {
            BlockGuard.NotOnlyIfFast(flags);
        }

        if (Offers(NbdTransmissionFlags.SendWriteZeroes))
        {
            // No data is sent, yet servers may refuse a length above their largest payload.
            NbdCommandFlags wanted = (flags.HasFlag(ZeroFlags.KeepAllocated) ? NbdCommandFlags.NoHole : NbdCommandFlags.None)
                | (flags.HasFlag(ZeroFlags.OnlyIfFast) ? NbdCommandFlags.FastZero : NbdCommandFlags.None);
            await InPiecesAsync(offset, count, _agreement.MaximumPayload, (at, length) =>
                CallAsync(new NbdCall(NbdCommand.WriteZeroes, wanted, at, length), default, cancellationToken));
        }
        else
        {
            await InPiecesAsync(offset, count, DataPiece, (at, length) =>
                CallAsync(new NbdCall(NbdCommand.Write, NbdCommandFlags.None, at, length), s_zeros.AsMemory(0, length), cancellationToken));
        }
    }

    public async ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken)
    {
        BlockGuard.WritableRange(this, offset, count);
        BlockGuard.Aligned(this, offset, count);
        if (Traits.CanTrim)
        {
            await InPiecesAsync(offset, count, _agreement.MaximumPayload, (at, length) =>
                CallAsync(new NbdCall(NbdCommand.Trim, NbdCommandFlags.None, at, length), default, cancellationToken));
        }
    }

    /// <summary>One connection speaks for all: more than one is only used where a flush covers them all.</summary>
    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        if (Offers(NbdTransmissionFlags.SendFlush))
        {
            await CallAsync(new NbdCall(NbdCommand.Flush, NbdCommandFlags.None, 0, 0), default, cancellationToken);
        }
    }

    /// <summary>What the server says under base:allocation; all data where it says nothing.</summary>
    public async IAsyncEnumerable<Extent> ExtentsAsync(
        long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        BlockGuard.Range(this, offset, count);
        BlockGuard.Aligned(this, offset, count);
        long end = offset + count;
        if (_agreement.AllocationContext is null && count > 0)
        {
            yield return new Extent(offset, count, ExtentKind.Data);
            yield break;
        }

        while (offset < end)
        {
            var call = new NbdCall(NbdCommand.BlockStatus, NbdCommandFlags.None, offset, (int)Math.Min(ExtentsPiece, end - offset));
            await CallAsync(call, default, cancellationToken);
            foreach ((uint length, NbdExtentFlags flags) in call.Extents)
            {
                long within = Math.Min(length, end - offset);
                if (within > 0)
                {
                    yield return new Extent(offset, within, KindOf(flags));
                }

                offset += within;
            }
        }
    }

    /// <summary>Always refused: NBD clients cannot resize an export.</summary>
    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        BlockGuard.Resizable(this, length);
        throw new InvalidOperationException("The traits say that an NBD export cannot be resized.");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (NbdConnection connection in _connections)
        {
            await connection.DisposeAsync();
        }
    }

    private int DataPiece => Math.Min(Piece, _agreement.MaximumPayload);

    private static async Task<NbdConnection> OpenAsync(NbdUri uri, NbdClientOptions options, CancellationToken cancellationToken)
    {
        (NbdChannel channel, NbdReceiveBuffer received, NbdClientHandshake done) =
            await NbdConnector.ConnectAsync(uri, list: false, options.ConnectTimeout, cancellationToken);
        return new NbdConnection(channel, received, done.Agreement!);
    }

    // A hole whose content is not said to be zero may read as anything.
    private static ExtentKind KindOf(NbdExtentFlags flags) =>
        !flags.HasFlag(NbdExtentFlags.Zero) ? ExtentKind.Data
        : flags.HasFlag(NbdExtentFlags.Hole) ? ExtentKind.Hole
        : ExtentKind.Zero;

    private bool Offers(NbdTransmissionFlags flag) => _agreement.Has(flag);

    private async Task CallAsync(NbdCall call, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) =>
        await LeastLoaded().CallAsync(call, data, cancellationToken);

    private NbdConnection LeastLoaded()
    {
        // One that broke took the device with it, even if others still answer.
        foreach (NbdConnection connection in _connections)
        {
            if (connection.Fault is { } fault)
            {
                throw NbdCalls.Lost(fault);
            }
        }

        // The start moves on so that equally idle connections take turns.
        int start = (int)((uint)Interlocked.Increment(ref _turn) % (uint)_connections.Length);
        NbdConnection best = _connections[start];
        for (int i = 1; i < _connections.Length && best.Load > 0; i++)
        {
            NbdConnection other = _connections[(start + i) % _connections.Length];
            best = other.Load < best.Load ? other : best;
        }

        return best;
    }

    /// <summary>Runs a call over pieces of a range, some at a time. All have ended when it returns or throws: no memory is in use any more.</summary>
    private static Task InPiecesAsync(long offset, long count, int piece, Func<long, int, Task> call)
    {
        if (count <= piece)
        {
            return count > 0 ? call(offset, (int)count) : Task.CompletedTask;
        }

        return ManyAsync(offset, offset + count, piece, call);
    }

    private static async Task ManyAsync(long offset, long end, int piece, Func<long, int, Task> call)
    {
        var running = new Queue<Task>();
        try
        {
            for (; offset < end; offset += piece)
            {
                if (running.Count == MaxPiecesAtOnce)
                {
                    await running.Dequeue();
                }

                running.Enqueue(call(offset, (int)Math.Min(piece, end - offset)));
            }

            while (running.TryDequeue(out Task? oldest))
            {
                await oldest;
            }
        }
        finally
        {
            await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
