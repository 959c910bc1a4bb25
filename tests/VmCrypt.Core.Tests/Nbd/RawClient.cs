using System.Net;
using System.Net.Sockets;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Nbd;

namespace VmCrypt.Core.Tests.Nbd;

/// <summary>A client that sends and reads exactly what a test writes down.</summary>
internal sealed class RawClient : IDisposable
{
    private readonly Socket _socket;

    private RawClient(Socket socket)
    {
        _socket = socket;
        _socket.ReceiveTimeout = 10_000;
        _socket.SendTimeout = 10_000;
    }

    /// <summary>Connects and reads the greeting.</summary>
    public static RawClient Connect(NbdServer server)
    {
        Socket socket;
        if (server.Uri.Address is NbdAddress.Unix unix)
        {
            socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(unix.Path));
        }
        else
        {
            socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            socket.Connect(IPAddress.Loopback, ((NbdAddress.Tcp)server.Uri.Address).Port);
        }

        var client = new RawClient(socket);
        Assert.Equal(Wire.Greeting, client.Read(18));
        return client;
    }

    /// <summary>Connects and goes to the first export, by EXPORT_NAME.</summary>
    public static RawClient Open(NbdServer server)
    {
        RawClient client = Connect(server);
        client.Send(Wire.U32(3), Wire.Option(NbdOption.ExportName, System.Text.Encoding.UTF8.GetBytes(server.Uri.Export)));
        client.Read(10);
        return client;
    }

    public void Send(params byte[][] messages) => _socket.Send(messages.SelectMany(message => message).ToArray());

    /// <summary>Sends zeros, if the server still listens.</summary>
    public void TrySend(int count)
    {
        try
        {
            _socket.Send(new byte[count]);
        }
        catch (SocketException)
        {
            // It has hung up.
        }
    }

    public byte[] Read(int count)
    {
        byte[] bytes = new byte[count];
        for (int at = 0; at < count;)
        {
            int got = _socket.Receive(bytes.AsSpan(at));
            Assert.True(got > 0, $"the server hung up after {at} of {count} bytes");
            at += got;
        }

        return bytes;
    }

    /// <summary>True when the server closes the connection, false when it says something.</summary>
    public bool IsHungUp()
    {
        try
        {
            return _socket.Receive(new byte[1]) == 0;
        }
        catch (SocketException reset) when (reset.SocketErrorCode != SocketError.TimedOut)
        {
            return true;
        }
    }

    /// <summary>The error of the next simple reply, which must answer <paramref name="cookie"/>.</summary>
    public NbdError ReadError(ulong cookie)
    {
        NbdSimpleReply reply = NbdSimpleReply.Parse(Read(NbdSimpleReply.Size));
        Assert.Equal(cookie, reply.Cookie);
        return reply.Error;
    }

    public void Dispose() => _socket.Dispose();
}
