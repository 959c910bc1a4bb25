using System.Buffers;
using System.Net.Sockets;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd;

/// <summary>From an address to a finished handshake, within one time limit.</summary>
internal static class NbdConnector
{
    /// <param name="export">Null to list the exports.</param>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.NbdConnectFailed"/>, <see cref="ErrorIds.NbdConnectionLost"/>, <see cref="ErrorIds.NbdOptionRefused"/>.</exception>
    public static async Task<(Socket Socket, NbdReceiveBuffer Received, NbdClientHandshake Done)> ConnectAsync(
        NbdAddress address, string? export, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        Socket socket = NewSocket(address);
        try
        {
            await ConnectAsync(socket, address, limit.Token);
            var received = new NbdReceiveBuffer();
            NbdClientHandshake done = await NegotiateAsync(socket, received, export, limit.Token);
            return (socket, received, done);
        }
        catch (Exception fault)
        {
            socket.Dispose();
            throw fault switch
            {
                OperationCanceledException when !cancellationToken.IsCancellationRequested => Failed(address, "it did not answer in time", fault),
                // .NET reads ENOENT as an address that cannot be assigned.
                SocketException { SocketErrorCode: SocketError.AddressNotAvailable } when address is NbdAddress.Unix => Failed(address, "there is no such socket", fault),
                SocketException => Failed(address, fault.Message, fault),
                _ => fault,
            };
        }
    }

    private static async Task ConnectAsync(Socket socket, NbdAddress address, CancellationToken cancellationToken)
    {
        if (address is NbdAddress.Unix unix)
        {
            await socket.ConnectAsync(unix.ToEndPoint(), cancellationToken);
        }
        else if (address is NbdAddress.Tcp tcp)
        {
            await socket.ConnectAsync(tcp.Host, tcp.Port, cancellationToken);
        }
    }

    private static Socket NewSocket(NbdAddress address)
    {
        Socket socket = address is NbdAddress.Unix
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(SocketType.Stream, ProtocolType.Tcp);
        NbdSocket.Prepare(socket);
        return socket;
    }

    private static async Task<NbdClientHandshake> NegotiateAsync(
        Socket socket, NbdReceiveBuffer received, string? export, CancellationToken cancellationToken)
    {
        var output = new ArrayBufferWriter<byte>();
        var handshake = new NbdClientHandshake(export, output);
        while (true)
        {
            while (handshake.Advance(received.Unread) is > 0 and int taken)
            {
                received.Consume(taken);
            }

            for (ReadOnlyMemory<byte> left = output.WrittenMemory; !left.IsEmpty;)
            {
                left = left[await socket.SendAsync(left, cancellationToken)..];
            }

            output.ResetWrittenCount();
            if (handshake.IsFinished)
            {
                return handshake;
            }

            int count = await socket.ReceiveAsync(received.Free, cancellationToken);
            received.Received(count);
            if (count == 0)
            {
                throw handshake.HungUp();
            }
        }
    }

    private static DeviceFaultException Failed(NbdAddress address, string why, Exception fault) =>
        new(ErrorIds.NbdConnectFailed, $"The NBD server at {address} cannot be reached: {why}.", fault);
}
