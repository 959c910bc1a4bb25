using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Nbd;

/// <summary>The server's end of a connection: blocking, for threads of its own; the only place of the server that touches a socket's bytes.</summary>
/// <remarks>
/// Blocking calls because they are the shortest way from the wire to a thread and back: an asynchronous receive costs a
/// trip through the event loop and the thread pool for every batch of requests. A connection that breaks simply ends:
/// receiving returns nothing, sending does nothing, and the readers find out by themselves.
/// </remarks>
internal sealed class NbdTransport : IDisposable
{
    /// <summary>What has to move within the patience of others for a client not to count as stalled.</summary>
    public const int Slice = 1024 * 1024;

    private readonly Socket _socket;
    private readonly Lock _sending = new();
    private Stream? _secure;
    private long _receivingSince;
    private long _sendingSince;
    private volatile bool _broken;

    public NbdTransport(Socket socket)
    {
        NbdSocket.Prepare(socket);
        _socket = socket;
    }

    public string Peer => _socket.ProtocolType == ProtocolType.Tcp ? _socket.RemoteEndPoint?.ToString() ?? string.Empty : string.Empty;

    /// <summary>The address of a TCP client; empty for a Unix socket.</summary>
    public string Host => _socket.ProtocolType == ProtocolType.Tcp ? (_socket.RemoteEndPoint as IPEndPoint)?.Address.ToString() ?? string.Empty : string.Empty;

    /// <summary>Since when (in ticks of the environment) the client has kept memory waiting: for the next slice of its data, or because it takes none of an answer; null when it does not, or is gone.</summary>
    public long? StalledSince => _broken ? null : (Volatile.Read(ref _receivingSince), Volatile.Read(ref _sendingSince)) switch
    {
        (0, 0) => null,
        (0, long since) => since,
        (long since, 0) => since,
        (long receiving, long sending) => Math.Min(receiving, sending),
    };

    /// <summary>From here on everything goes through TLS.</summary>
    /// <returns>Who the client proved to be; null where that was not asked.</returns>
    /// <exception cref="VmCryptException">An id that begins with Tls.</exception>
    public string? Secure(TlsServerCredentials credentials)
    {
        TlsSession session = credentials.Accept(PlainStream());
        _secure = session.Stream;
        return session.Identity;
    }

    /// <summary>At least one byte, or 0 when the connection is at its end.</summary>
    /// <param name="heldSince">Since when (in ticks of the environment) a buffer has waited for the slice that these bytes are of; 0 for none.</param>
    public int Receive(Memory<byte> target, long heldSince = 0)
    {
        try
        {
            Volatile.Write(ref _receivingSince, heldSince);
            return _broken ? 0 : _secure is { } secure ? Read(secure, target) : _socket.Receive(target.Span);
        }
        catch (Exception fault) when (NbdChannel.IsBreak(fault))
        {
            return 0;
        }
        finally
        {
            Volatile.Write(ref _receivingSince, 0);
        }
    }

    /// <summary>Sends all of it, whole among the sends of other threads.</summary>
    public void Send(ReadOnlyMemory<byte> source)
    {
        lock (_sending)
        {
            try
            {
                SendAll(source);
            }
            catch (Exception fault) when (NbdChannel.IsBreak(fault))
            {
                // Half an answer may be out: nothing else may follow it.
                Break();
            }
        }
    }

    /// <summary>Ends the connection; whoever is blocked in it returns.</summary>
    public void Break()
    {
        _broken = true;
        _socket.Dispose();
    }

    /// <summary>When nobody is in it any more.</summary>
    public void Dispose()
    {
        Break();
        _secure?.Dispose();
    }

    // It refuses a socket that has broken meanwhile: the client hung up, or its time was over.
    private NetworkStream PlainStream()
    {
        try
        {
            return new NetworkStream(_socket, ownsSocket: false);
        }
        catch (Exception fault) when (NbdChannel.IsBreak(fault))
        {
            throw new ProtocolException(ErrorIds.TlsHandshakeFailed, "The connection ended before the TLS handshake.", fault);
        }
    }

    private void SendAll(ReadOnlyMemory<byte> source)
    {
        while (!source.IsEmpty && !_broken)
        {
            Volatile.Write(ref _sendingSince, Environment.TickCount64);
            ReadOnlyMemory<byte> slice = source[..Math.Min(source.Length, Slice)];
            if (_secure is { } secure)
            {
                Write(secure, slice);
                source = source[slice.Length..];
            }
            else
            {
                source = source[_socket.Send(slice.Span)..];
            }
        }

        Volatile.Write(ref _sendingSince, 0);
    }

    // Given a span SslStream would go through an array that others rent; our buffers are arrays anyway.
    private static int Read(Stream secure, Memory<byte> target) => MemoryMarshal.TryGetArray(target, out ArraySegment<byte> array)
        ? secure.Read(array.Array!, array.Offset, array.Count)
        : secure.Read(target.Span);

    private static void Write(Stream secure, ReadOnlyMemory<byte> source)
    {
        if (MemoryMarshal.TryGetArray(source, out ArraySegment<byte> array))
        {
            secure.Write(array.Array!, array.Offset, array.Count);
        }
        else
        {
            secure.Write(source.Span);
        }
    }
}
