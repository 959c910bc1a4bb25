using System.Buffers;
using System.Net.Sockets;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd;

/// <summary>From an address to a finished handshake, within one time limit.</summary>
internal static class NbdConnector
{
    /// <param name="list">Lists the exports instead of going to one.</param>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.NbdConnectFailed"/>, <see cref="ErrorIds.NbdConnectionLost"/>, <see cref="ErrorIds.NbdOptionRefused"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.NbdTlsRequired"/>, <see cref="ErrorIds.NbdTlsRefused"/>, or an id that begins with Tls.</exception>
    public static async Task<(NbdChannel Channel, NbdReceiveBuffer Received, NbdClientHandshake Done)> ConnectAsync(
        NbdUri uri, bool list, TimeSpan timeout, CancellationToken cancellationToken)
    {
        NbdAddress address = uri.Address;
        using TlsClientCredentials? credentials = uri.Tls is { } tls ? TlsClientCredentials.Load(tls, address) : null;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        Socket socket = NewSocket(address);
        var channel = new NbdChannel(socket);
        try
        {
            await ConnectAsync(socket, address, limit.Token);
            var received = new NbdReceiveBuffer();
            var output = new ArrayBufferWriter<byte>();
            var handshake = new NbdClientHandshake(list ? null : uri.Export, credentials is not null, output);
            await NegotiateAsync(channel, received, handshake, output, credentials, limit.Token);
            return (channel, received, handshake);
        }
        catch (Exception fault)
        {
            channel.Dispose();
            throw fault switch
            {
                OperationCanceledException when !cancellationToken.IsCancellationRequested => Failed(address, "it did not answer in time", fault),
                // .NET reads ENOENT as an address that cannot be assigned.
                SocketException { SocketErrorCode: SocketError.AddressNotAvailable } when address is NbdAddress.Unix => Failed(address, "there is no such socket", fault),
                SocketException => Failed(address, fault.Message, fault),
                IOException when credentials is not null => RefusedBehindTls(fault),
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

    private static async Task NegotiateAsync(
        NbdChannel channel, NbdReceiveBuffer received, NbdClientHandshake handshake, ArrayBufferWriter<byte> output,
        TlsClientCredentials? credentials, CancellationToken cancellationToken)
    {
        while (true)
        {
            while (handshake.Advance(received.Unread) is > 0 and int taken)
            {
                received.Consume(taken);
            }

            await channel.SendAsync(output.WrittenMemory, cancellationToken);
            output.ResetWrittenCount();
            if (handshake.IsFinished)
            {
                return;
            }

            if (handshake.WantsTls)
            {
                await StartTlsAsync(channel, received, credentials!, cancellationToken);
                handshake.TlsStarted();
                continue;
            }

            int count = await channel.ReceiveAsync(received.Free, cancellationToken);
            received.Received(count);
            if (count == 0)
            {
                throw handshake.HungUp();
            }
        }
    }

    private static Task StartTlsAsync(NbdChannel channel, NbdReceiveBuffer received, TlsClientCredentials credentials, CancellationToken cancellationToken) =>
        received.Unread.IsEmpty
            ? channel.SecureAsync(credentials, cancellationToken)
            : throw new ProtocolException(ErrorIds.NbdTlsInjected, $"{received.Unread.Length} plain bytes follow the NBD server's word that TLS begins.");

    // In TLS 1.3 a server looks at the client's certificate when the client's handshake is over: its refusal comes as an alert, or as an end, afterwards.
    private static ProtocolException RefusedBehindTls(Exception fault) =>
        new(ErrorIds.TlsHandshakeFailed, $"The NBD server ended the connection behind the TLS handshake; it may not take our certificate: {(fault.InnerException ?? fault).Message.TrimEnd('.')}.", fault);

    private static DeviceFaultException Failed(NbdAddress address, string why, Exception fault) =>
        new(ErrorIds.NbdConnectFailed, $"The NBD server at {address} cannot be reached: {why}.", fault);
}
