using System.Net.Sockets;

namespace VmCrypt.Core.Block.Nbd;

/// <summary>How sockets of either side are set up.</summary>
internal static class NbdSocket
{
    // Several large messages fit; the kernel takes less where its own limit is lower.
    private const int Buffer = 2 * 1024 * 1024;

    // A peer whose machine has gone is noticed within a minute, not after the two hours (idle) or the quarter of an hour
    // (with unacknowledged bytes on the way) that the system would take.
    private const int KeepAliveSeconds = 30;
    private const int KeepAliveInterval = 10;
    private const int KeepAliveTries = 3;
    private const int TcpUserTimeoutOption = 18;
    private const int TcpUserTimeoutMilliseconds = 60_000;

    /// <summary>Throws <see cref="SocketException"/> when the peer has gone already.</summary>
    public static void Prepare(Socket socket)
    {
        socket.SendBufferSize = Buffer;
        socket.ReceiveBufferSize = Buffer;
        if (socket.ProtocolType != ProtocolType.Tcp)
        {
            return;
        }

        // Headers and data would otherwise wait for each other's acknowledgements (proto.md, "Transmission").
        socket.NoDelay = true;

        // .NET lets a listening socket end abruptly, and one that systemd keeps for the next start hands that on to whom it accepts.
        socket.LingerState = new LingerOption(enable: false, seconds: 0);
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, optionValue: true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, KeepAliveSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, KeepAliveInterval);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, KeepAliveTries);
        if (OperatingSystem.IsLinux())
        {
            socket.SetRawSocketOption((int)SocketOptionLevel.Tcp, TcpUserTimeoutOption, BitConverter.GetBytes(TcpUserTimeoutMilliseconds));
        }
    }
}
