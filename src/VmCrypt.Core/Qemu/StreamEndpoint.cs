using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>Where a stream socket of QEMU or a peer of it is: <c>unix:/run/vm01.qmp</c> or <c>tcp:127.0.0.1:4444</c>.</summary>
public sealed record StreamEndpoint
{
    /// <summary>sun_path of Linux, less its terminating zero.</summary>
    private const int MaxUnixPath = 107;

    private StreamEndpoint(string text, EndPoint address)
    {
        Text = text;
        Address = address;
    }

    public string Text { get; }

    internal EndPoint Address { get; }

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.MonitorEndpointInvalid"/>.</exception>
    public static StreamEndpoint Parse(string text)
    {
        if (text.StartsWith("unix:", StringComparison.Ordinal) && FitsUnix(text[5..]))
        {
            return new StreamEndpoint(text, new UnixDomainSocketEndPoint(text[5..]));
        }

        int colon = text.LastIndexOf(':');
        if (text.StartsWith("tcp:", StringComparison.Ordinal) && colon > 4 && text[4..colon].Trim('[', ']') is { Length: > 0 } host
            && ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
        {
            return new StreamEndpoint(text, IPAddress.TryParse(host, out IPAddress? address) ? new IPEndPoint(address, port) : new DnsEndPoint(host, port));
        }

        throw new InvalidInputException(ErrorIds.MonitorEndpointInvalid,
            $"'{text}' names no socket; it has the form unix:PATH (at most {MaxUnixPath} bytes) or tcp:HOST:PORT.");
    }

    public override string ToString() => Text;

    /// <summary>Whether a unix socket can have this path.</summary>
    internal static bool FitsUnix(string path) => path.Length > 0 && Encoding.UTF8.GetByteCount(path) <= MaxUnixPath;

    internal Socket NewSocket() => Address is UnixDomainSocketEndPoint
        ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
        : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };

    /// <summary>Takes away the file of a unix socket that nobody listens on any more; whoever still does keeps it.</summary>
    internal void RemoveStale()
    {
        if (Address is not UnixDomainSocketEndPoint || !File.Exists(Text[5..]))
        {
            return;
        }

        using Socket probe = NewSocket();
        try
        {
            probe.Connect(Address);
        }
        catch (SocketException)
        {
            File.Delete(Text[5..]);
        }
    }
}
