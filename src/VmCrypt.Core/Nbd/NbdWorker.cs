using System.Diagnostics;
using System.Runtime.InteropServices;
using VmCrypt.Core.Block.Nbd;

namespace VmCrypt.Core.Nbd;

/// <summary>One thread of a connection's crew.</summary>
/// <remarks>
/// One worker at a time has the turn: it reads requests and, while the device answers at once, serves them itself, so that
/// a request never changes threads and a queue of small ones is answered in few sends. Before something takes time it
/// passes the turn on, and another worker reads the next request meanwhile. Devices are waited for here, on threads that
/// nobody else needs.
/// </remarks>
internal sealed class NbdWorker(NbdServerConnection connection, NbdCrew crew, NbdServerInput input)
{
    private readonly NbdReplyBatch _replies = new(new NbdReplyFormat(connection.Agreement), connection.Transport.Send);
    private readonly List<(uint Length, NbdExtentFlags Flags)> _extents = [];
    private bool _hasTurn;
    private bool _busy;

    /// <summary>Serves until the connection ends.</summary>
    /// <exception cref="Errors.ProtocolException">The client broke the protocol; the connection cannot go on.</exception>
    public void Run()
    {
        try
        {
            while (ServeTurn())
            {
                Rest();
            }
        }
        finally
        {
            Rest();
            _replies.Wipe();
        }
    }

    /// <summary>False when there is nothing more to read.</summary>
    private bool ServeTurn()
    {
        crew.TakeTurn();
        _hasTurn = true;
        try
        {
            while (_hasTurn)
            {
                if (input.Next() is { } incoming)
                {
                    Serve(incoming);
                    continue;
                }

                Rest();
                if (!input.Receive())
                {
                    return false;
                }
            }

            return true;
        }
        finally
        {
            if (_hasTurn)
            {
                crew.EndTurn();
            }
        }
    }

    private void Serve(in NbdIncoming incoming)
    {
        if (!_busy)
        {
            _busy = true;
            crew.BecameBusy();
        }

        NbdRequest request = incoming.Request;
        NbdError error = connection.IsStopping ? NbdError.Shutdown : incoming.Verdict;
        string word = string.Empty;
        if (error == NbdError.None)
        {
            crew.Begin(request);
            if (crew.WantsHelp(request))
            {
                PassTurn();
            }

            long start = Stopwatch.GetTimestamp();
            (error, word) = Perform(incoming);
            crew.End(request, start);
        }

        if (incoming.Data is { } data)
        {
            connection.Buffers.Return(data);
        }

        if (error == NbdError.None)
        {
            connection.Counters.Succeeded(request);
        }
        else
        {
            connection.Counters.Failed();
            _replies.Error(request.Cookie, error, word);
        }
    }

    private (NbdError Error, string Word) Perform(in NbdIncoming incoming)
    {
        NbdRequest request = incoming.Request;
        try
        {
            switch (request.Command)
            {
                case NbdCommand.Read when request.Length <= NbdReplyBatch.MaxInPlace:
                    Wait(connection.Handler.ReadAsync(request, _replies.RoomForData((int)request.Length), connection.Aborted));
                    _replies.Data(request);
                    break;
                case NbdCommand.Read:
                    ReadLarge(request);
                    break;
                case NbdCommand.BlockStatus:
                    _extents.Clear();
                    Wait(connection.Handler.ExtentsAsync(request, _extents, connection.Aborted));
                    _replies.SendExtents(request.Cookie, CollectionsMarshal.AsSpan(_extents));
                    break;
                default:
                    Wait(connection.Handler.PerformAsync(incoming, connection.Aborted));
                    _replies.Done(request.Cookie);
                    break;
            }

            return (NbdError.None, string.Empty);
        }
        catch (Exception fault)
        {
            // Whatever a device throws, the client has asked and gets an answer; a broken connection does not throw here.
            connection.Report(fault);
            return (NbdErrors.Of(fault), NbdErrors.Word(fault));
        }
    }

    private void ReadLarge(in NbdRequest request)
    {
        NbdBuffer buffer = connection.Buffers.Rent((int)request.Length);
        try
        {
            Wait(connection.Handler.ReadAsync(request, buffer.Data, connection.Aborted));
            _replies.SendData(request, buffer);
        }
        finally
        {
            connection.Buffers.Return(buffer);
        }
    }

    private void Wait(ValueTask operation)
    {
        if (operation.IsCompleted)
        {
            operation.GetAwaiter().GetResult();
        }
        else
        {
            PassTurn();
            operation.AsTask().GetAwaiter().GetResult();
        }
    }

    private void PassTurn()
    {
        if (_hasTurn)
        {
            _replies.Send();
            _hasTurn = !crew.TryPassTurn();
        }
    }

    /// <summary>Everything that was read is answered; the connection may be closed.</summary>
    private void Rest()
    {
        _replies.Send();
        if (_busy)
        {
            _busy = false;
            crew.BecameIdle();
        }
    }
}
