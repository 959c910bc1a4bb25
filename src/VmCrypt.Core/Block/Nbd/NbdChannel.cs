using System.Net.Sockets;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd;

/// <summary>The client's end of a connection, in clear or, once <see cref="SecureAsync"/> is done, in TLS; one may receive while another sends.</summary>
internal sealed class NbdChannel(Socket socket) : IDisposable
{
    private Stream? _secure;

    /// <summary>What receiving and sending throw when the connection breaks.</summary>
    public static bool IsBreak(Exception fault) => fault is SocketException or IOException or ObjectDisposedException;

    /// <exception cref="VmCryptException">An id that begins with Tls.</exception>
    public async Task SecureAsync(TlsClientCredentials credentials, CancellationToken cancellationToken) =>
        _secure = (await credentials.ConnectAsync(new NetworkStream(socket, ownsSocket: true), cancellationToken)).Stream;

    /// <summary>At least one byte, or 0 when the peer has closed its end.</summary>
    public ValueTask<int> ReceiveAsync(Memory<byte> target, CancellationToken cancellationToken) => _secure is { } secure
        ? secure.ReadAsync(target, cancellationToken)
        : socket.ReceiveAsync(target, cancellationToken);

    /// <summary>Sends all of it.</summary>
    public async ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (_secure is { } secure)
        {
            await secure.WriteAsync(bytes, cancellationToken);
            return;
        }

        while (!bytes.IsEmpty)
        {
            bytes = bytes[await socket.SendAsync(bytes, cancellationToken)..];
        }
    }

    /// <summary>Ends the connection; whoever waits in it is released.</summary>
    public void Dispose()
    {
        socket.Dispose();
        _secure?.Dispose();
    }
}
