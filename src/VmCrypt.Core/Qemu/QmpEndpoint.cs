using System.Globalization;
using System.Net;
using System.Net.Sockets;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>Where a stream socket is: <c>unix:/run/vm01.qmp</c> or <c>tcp:127.0.0.1:4444</c>.</summary>
public sealed record QmpEndpoint
{
    private QmpEndpoint(string text, EndPoint address)
    {
        Text = text;
        Address = address;
    }

    public string Text { get; }

    internal EndPoint Address { get; }

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.MonitorEndpointInvalid"/>.</exception>
    public static QmpEndpoint Parse(string text)
    {
        if (text.StartsWith("unix:", StringComparison.Ordinal) && text.Length is > 5 and <= 5 + 107)
        {
            return new QmpEndpoint(text, new UnixDomainSocketEndPoint(text[5..]));
        }

        int colon = text.LastIndexOf(':');
        if (text.StartsWith("tcp:", StringComparison.Ordinal) && colon > 4
            && ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
        {
            string host = text[4..colon].Trim('[', ']');
            return new QmpEndpoint(text, IPAddress.TryParse(host, out IPAddress? address) ? new IPEndPoint(address, port) : new DnsEndPoint(host, port));
        }

        throw new InvalidInputException(ErrorIds.MonitorEndpointInvalid,
            $"'{text}' names no socket; it has the form unix:PATH (at most 107 bytes) or tcp:HOST:PORT.");
    }

    public override string ToString() => Text;

    internal Socket NewSocket() => Address is UnixDomainSocketEndPoint
        ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
        : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
}
