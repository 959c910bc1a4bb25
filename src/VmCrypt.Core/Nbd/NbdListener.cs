using System.Net;
using System.Net.Sockets;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Nbd;

/// <summary>One bound address and the loop that accepts its clients.</summary>
internal sealed class NbdListener : IDisposable
{
    // accept fails for want of descriptors or memory: wait for some to come back instead of spinning.
    private static readonly TimeSpan s_afterFault = TimeSpan.FromMilliseconds(100);

    private readonly Socket _socket;

    private NbdListener(Socket socket, NbdAddress address)
    {
        _socket = socket;
        Address = address;
    }

    /// <summary>As clients have to write it: with the real port.</summary>
    public NbdAddress Address { get; }

    /// <summary>Whether other machines may reach it.</summary>
    public bool IsOpenToOthers => _socket.LocalEndPoint is IPEndPoint end && !IPAddress.IsLoopback(end.Address);

    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.NbdAddressInUse"/>.</exception>
    public static async Task<NbdListener> BindAsync(NbdAddress address, CancellationToken cancellationToken) => address switch
    {
        NbdAddress.Unix unix => await BindUnixAsync(unix, cancellationToken),
        NbdAddress.Tcp tcp => await BindTcpAsync(tcp, cancellationToken),
        _ => throw new InvalidOperationException("The kinds of address are the two above."),
    };

    /// <summary>A socket that listens already.</summary>
    public static NbdListener Adopt(Socket socket) => new(socket, socket.LocalEndPoint switch
    {
        IPEndPoint end => new NbdAddress.Tcp(end.Address.ToString(), end.Port),
        UnixDomainSocketEndPoint end => new NbdAddress.Unix(end.ToString() is ['@', .. string name] ? $"\0{name}" : end.ToString()),
        _ => throw new InvalidInputException(ErrorIds.InvalidParameter, $"A socket of family {socket.AddressFamily} serves no NBD."),
    });

    /// <summary>Hands each client to <paramref name="accepted"/> until the listener is disposed.</summary>
    public async Task AcceptAsync(Action<Socket> accepted)
    {
        while (true)
        {
            try
            {
                accepted(await _socket.AcceptAsync());
            }
            catch (Exception stopped) when (stopped is ObjectDisposedException or SocketException { SocketErrorCode: SocketError.OperationAborted })
            {
                return;
            }
            catch (SocketException)
            {
                await Task.Delay(s_afterFault);
            }
        }
    }

    public void Dispose() => _socket.Dispose();

    private static async Task<NbdListener> BindUnixAsync(NbdAddress.Unix address, CancellationToken cancellationToken)
    {
        var endPoint = address.ToEndPoint();
        bool isFile = !address.Path.StartsWith('\0');
        if (isFile)
        {
            await UnixSocketFile.RemoveStaleAsync(address.Path, cancellationToken);
        }

        Socket socket = Bind(new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified), endPoint, address);
        if (isFile)
        {
            UnixSocketFile.KeepPrivate(address.Path);
        }

        socket.Listen();
        return new NbdListener(socket, address);
    }

    private static async Task<NbdListener> BindTcpAsync(NbdAddress.Tcp address, CancellationToken cancellationToken)
    {
        IPAddress[] hosts;
        try
        {
            // The resolver refuses the addresses that mean all interfaces.
            hosts = IPAddress.TryParse(address.Host, out IPAddress? literal) ? [literal] : await Dns.GetHostAddressesAsync(address.Host, cancellationToken);
        }
        catch (SocketException fault)
        {
            throw new DeviceBusyException(ErrorIds.NbdAddressInUse, $"The NBD server cannot listen on {address}: {fault.Message}.", fault);
        }

        var socket = new Socket(hosts[0].AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        Bind(socket, new IPEndPoint(hosts[0], address.Port), address).Listen();
        return new NbdListener(socket, address with { Port = ((IPEndPoint)socket.LocalEndPoint!).Port });
    }

    private static Socket Bind(Socket socket, EndPoint endPoint, NbdAddress address)
    {
        try
        {
            socket.Bind(endPoint);
            return socket;
        }
        catch (SocketException fault)
        {
            socket.Dispose();
            throw new DeviceBusyException(ErrorIds.NbdAddressInUse, $"The NBD server cannot listen on {address}: {fault.Message}.", fault);
        }
    }
}
