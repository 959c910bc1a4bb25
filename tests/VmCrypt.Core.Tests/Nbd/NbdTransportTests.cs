using System.Net;
using System.Net.Sockets;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;

namespace VmCrypt.Core.Tests.Nbd;

public sealed class NbdTransportTests : IDisposable
{
    private readonly Socket _peer = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly NbdTransport _transport;

    public NbdTransportTests()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        _peer.Connect(listener.LocalEndpoint);
        _transport = new NbdTransport(listener.AcceptSocket());
    }

    public void Dispose()
    {
        _transport.Dispose();
        _peer.Dispose();
    }

    [Fact]
    public void A_connection_that_ended_before_TLS_is_a_handshake_that_failed()
    {
        using var credentials = new Unreached();
        _transport.Break();

        Assert.Equal(ErrorIds.TlsHandshakeFailed, Assert.Throws<ProtocolException>(() => _transport.Secure(credentials)).ErrorId);
    }

    [Fact]
    public void A_client_that_went_without_its_answer_keeps_nobody_waiting_any_more()
    {
        _peer.LingerState = new LingerOption(enable: true, seconds: 0);
        _peer.Close();
        Assert.Equal(0, _transport.Receive(new byte[1]));

        _transport.Send(new byte[4 << 20]);

        Assert.Null(_transport.StalledSince);
    }

    [Fact]
    public void A_client_hears_all_answers_although_its_listener_ended_abruptly_before()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        listener.Server.LingerState = new LingerOption(enable: true, seconds: 0);
        using var peer = new TcpClient();
        peer.Connect((IPEndPoint)listener.LocalEndpoint);
        using Socket accepted = listener.AcceptSocket();

        using var transport = new NbdTransport(accepted);

        Assert.False(accepted.LingerState!.Enabled);
    }

    private sealed class Unreached : TlsServerCredentials
    {
        public override bool IdentifiesClients => false;

        internal override TlsSession Accept(Stream plain) => throw new InvalidOperationException("There is no connection to accept.");
    }
}
