using System.Net.Sockets;
using System.Text;

namespace VmCrypt.Commands.Host;

/// <summary>Tells systemd how far a service is (sd_notify): a datagram to the socket that <c>NOTIFY_SOCKET</c> names.</summary>
internal static class ServiceManager
{
    private const string Variable = "NOTIFY_SOCKET";

    public static void Ready() => Notify("READY=1");

    public static void Stopping() => Notify("STOPPING=1");

    private static void Notify(string state)
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 1 } name)
        {
            return;
        }

        try
        {
            // An abstract socket is written with @ for its leading NUL.
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            socket.SendTo(Encoding.ASCII.GetBytes(state), new UnixDomainSocketEndPoint(name[0] == '@' ? "\0" + name[1..] : name));
        }
        catch (Exception fault) when (fault is SocketException or ArgumentException)
        {
            // No service manager listens: the work does not depend on it.
        }
    }
}
