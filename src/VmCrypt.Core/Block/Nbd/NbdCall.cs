using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd;

/// <summary>A request that waits for its reply.</summary>
/// <remarks>
/// NBD cannot cancel a request: its reply will come. A cancelled call is therefore abandoned, its caller released and its
/// reply thrown away; but never while the wire still reads or fills the caller's memory (<see cref="TryUse"/>).
/// </remarks>
internal sealed class NbdCall(NbdCommand command, NbdCommandFlags flags, long offset, int length, Memory<byte> target = default)
    : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
{
    private readonly Lock _gate = new();
    private List<(uint Length, NbdExtentFlags Flags)>? _extents;
    private NbdCoverage _coverage;
    private CancellationToken _cancelledBy;
    private bool _cancelled;
    private bool _abandoned;
    private int _uses;

    public NbdRequest Request { get; private set; } = new(command, flags, Cookie: 0, (ulong)offset, (uint)length);

    /// <summary>Where the data of a read goes.</summary>
    public Memory<byte> Target { get; } = target;

    /// <summary>What the server said of a BLOCK_STATUS.</summary>
    public List<(uint Length, NbdExtentFlags Flags)> Extents => _extents ??= [];

    /// <summary>The first error that a reply reported.</summary>
    public NbdError Error { get; private set; }

    public string Word { get; private set; } = string.Empty;

    /// <summary>Cancelled, but not let go yet because the wire is at the caller's memory.</summary>
    public bool IsStuck
    {
        get
        {
            lock (_gate)
            {
                return _cancelled && _uses > 0;
            }
        }
    }

    public void GiveCookie(ulong cookie) => Request = Request with { Cookie = cookie };

    /// <summary>Claims the caller's memory for the wire; false when it is the caller's again.</summary>
    public bool TryUse()
    {
        lock (_gate)
        {
            _uses += _abandoned ? 0 : 1;
            return !_abandoned;
        }
    }

    public void EndUse()
    {
        lock (_gate)
        {
            _uses--;
            AbandonIfFree();
        }
    }

    public void Cancel(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _cancelled = true;
            _cancelledBy = cancellationToken;
            AbandonIfFree();
        }
    }

    /// <summary>False when those bytes came before or lie outside of the request.</summary>
    public bool TryCover(ulong chunkOffset, uint chunkLength, out Memory<byte> place)
    {
        place = default;
        if (chunkOffset < Request.Offset || chunkLength == 0 || chunkOffset - Request.Offset > Request.Length
            || chunkLength > Request.Length - (uint)(chunkOffset - Request.Offset))
        {
            return false;
        }

        uint start = (uint)(chunkOffset - Request.Offset);
        place = Target.Slice((int)start, (int)chunkLength);
        return _coverage.TryAdd(start, chunkLength);
    }

    public void Fail(NbdError error, string word)
    {
        if (Error == NbdError.None)
        {
            (Error, Word) = (error, word);
        }
    }

    /// <summary>The last of the reply has come.</summary>
    /// <returns>False when the reply said that all is well but left something out.</returns>
    public bool TryFinish()
    {
        if (Error != NbdError.None)
        {
            TrySetException(NbdFaults.Of(Request, Error, Word));
            return true;
        }

        bool whole = Request.Command switch
        {
            NbdCommand.Read => _coverage.IsWhole(Request.Length),
            NbdCommand.BlockStatus => Extents.Count > 0,
            _ => true,
        };
        return whole && (TrySetResult() || true);
    }

    private void AbandonIfFree()
    {
        if (_cancelled && _uses == 0)
        {
            _abandoned = true;
            TrySetCanceled(_cancelledBy);
        }
    }
}

/// <summary>What an error in a reply means to the caller of a device.</summary>
internal static class NbdFaults
{
    public static VmCryptException Of(in NbdRequest request, NbdError error, string word)
    {
        string what = $"The NBD server failed a {request.Command} of {request.Length} bytes at offset {request.Offset}: "
            + (word.Length > 0 ? $"{error} ({word})." : $"{error}.");
        return error switch
        {
            NbdError.NotPermitted => new DeviceFaultException(ErrorIds.DeviceReadOnly, what),
            NbdError.NoSpace => new DeviceFaultException(ErrorIds.DiskFull, what),
            NbdError.NotSupported when request.Flags.HasFlag(NbdCommandFlags.FastZero) => new UnsupportedFeatureException(ErrorIds.ZeroNotFast, what),
            NbdError.Shutdown => new DeviceFaultException(ErrorIds.NbdConnectionLost, what),
            _ => new DeviceFaultException(ErrorIds.DeviceIO, what),
        };
    }
}
