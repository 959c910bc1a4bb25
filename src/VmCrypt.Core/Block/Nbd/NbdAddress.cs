using System.Net.Sockets;
using System.Text;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd;

/// <summary>Where an NBD server listens.</summary>
public abstract record NbdAddress
{
    private NbdAddress()
    {
    }

    /// <summary>A Unix domain socket; a path that begins with NUL lies in Linux's abstract namespace.</summary>
    public sealed record Unix(string Path) : NbdAddress
    {
        /// <exception cref="InvalidInputException"><see cref="ErrorIds.InvalidParameter"/>: the path is longer than the system takes.</exception>
        internal UnixDomainSocketEndPoint ToEndPoint()
        {
            try
            {
                return new UnixDomainSocketEndPoint(Path);
            }
            catch (ArgumentOutOfRangeException tooLong)
            {
                throw new InvalidInputException(ErrorIds.InvalidParameter,
                    $"The socket's path '{this}' has {Encoding.UTF8.GetByteCount(Path)} bytes, but the path of a Unix socket has 1 to 107.", tooLong);
            }
        }

        public override string ToString() => Path.Replace('\0', '@');
    }

    /// <summary>TCP; as an address to serve on, port 0 takes a free one.</summary>
    /// <param name="Host">A name or an address, IPv6 without brackets.</param>
    public sealed record Tcp(string Host, int Port = NbdUri.DefaultPort) : NbdAddress
    {
        public override string ToString() => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
    }
}
