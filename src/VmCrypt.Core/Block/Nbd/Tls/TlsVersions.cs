using System.Security.Authentication;

namespace VmCrypt.Core.Block.Nbd.Tls;

internal static class TlsVersions
{
    /// <summary>What stands below was retired by RFC 8996.</summary>
    public const SslProtocols Allowed = SslProtocols.Tls12 | SslProtocols.Tls13;
}
