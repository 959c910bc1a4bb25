using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>A client that knows its server by a certificate, and has one of its own if its folder holds one.</summary>
internal sealed class X509Client : TlsClientCredentials
{
    private readonly string _host;
    private readonly bool _verify;
    private readonly X509Certificate2Collection? _authorities;
    private readonly IReadOnlyList<RevocationList> _revocations = [];
    private readonly X509Certificate2? _own;
    private readonly SslStreamCertificateContext? _context;

    private X509Client(NbdTls tls, string host)
    {
        _host = host;
        _verify = tls.VerifyPeer;
        if (tls.Certificates is null)
        {
            return;
        }

        var folder = new X509Folder(tls.Certificates);
        _authorities = folder.ReadAuthorities();
        _revocations = folder.ReadRevocations(_authorities);
        if (folder.Has("client-cert.pem") || folder.Has("client-key.pem"))
        {
            (_own, X509Certificate2Collection chain) = folder.ReadOwn("client");
            _context = SslStreamCertificateContext.Create(_own, chain, offline: true);
        }
    }

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.TlsCredentialsInvalid"/>: of a server on a Unix socket no name is known.</exception>
    public static new X509Client Load(NbdTls tls, NbdAddress address)
    {
        string? host = tls.HostName ?? (address as NbdAddress.Tcp)?.Host;
        return host is not null || !tls.VerifyPeer
            ? new X509Client(tls, host ?? string.Empty)
            : throw new InvalidInputException(ErrorIds.TlsCredentialsInvalid, $"The server's certificate cannot be checked at {address}: name its host with tls-hostname.");
    }

    public override async Task<TlsSession> ConnectAsync(Stream plain, CancellationToken cancellationToken)
    {
        var judge = new X509Judge(_authorities, _revocations);
        var stream = new SslStream(plain, leaveInnerStreamOpen: true);
        try
        {
            await stream.AuthenticateAsClientAsync(OptionsFor(judge), cancellationToken);
            return new TlsSession(stream, judge.Peer is { } peer ? DistinguishedName.ToText(peer.SubjectName) : null);
        }
        catch (Exception fault)
        {
            await stream.DisposeAsync();
            throw X509Judge.IsFailure(fault) ? judge.Failed(fault) : fault;
        }
    }

    protected override void Dispose(bool disposing)
    {
        _own?.Dispose();
        base.Dispose(disposing);
    }

    private SslClientAuthenticationOptions OptionsFor(X509Judge judge) => new()
    {
        TargetHost = _host,
        EnabledSslProtocols = TlsVersions.Allowed,
        AllowTlsResume = false,
        AllowRenegotiation = false,
        ClientCertificateContext = _context,
        CertificateChainPolicy = judge.NewPolicy(),
#pragma warning disable CA5359 // The caller has said that the peer is not to be verified.
        RemoteCertificateValidationCallback = _verify ? judge.Accept : static (_, _, _, _) => true,
#pragma warning restore CA5359
    };
}
