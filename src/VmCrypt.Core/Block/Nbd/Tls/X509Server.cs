using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>A server with a certificate.</summary>
internal sealed class X509Server : TlsServerCredentials
{
    private readonly X509Certificate2 _own;
    private readonly SslStreamCertificateContext _context;
    private readonly X509Certificate2Collection _authorities;
    private readonly IReadOnlyList<RevocationList> _revocations;

    private X509Server(X509Folder folder, bool verifyPeer)
    {
        IdentifiesClients = verifyPeer;
        _authorities = folder.ReadAuthorities();
        _revocations = folder.ReadRevocations(_authorities);
        (_own, X509Certificate2Collection chain) = folder.ReadOwn("server");
        _context = SslStreamCertificateContext.Create(_own, chain, offline: true);
    }

    /// <summary>All that a folder of a server may hold.</summary>
    public static IReadOnlyList<string> Files { get; } = ["ca-cert.pem", "ca-crl.pem", "server-cert.pem", "server-key.pem"];

    public override bool IdentifiesClients { get; }

    public static X509Server Load(string folder, bool verifyPeer) => new(new X509Folder(folder), verifyPeer);

    internal override TlsSession Accept(Stream plain)
    {
        var judge = new X509Judge(_authorities, _revocations);
        var stream = new SslStream(plain, leaveInnerStreamOpen: true);
        try
        {
            stream.AuthenticateAsServer(OptionsFor(judge));
            return new TlsSession(stream, judge.Peer is { } peer ? DistinguishedName.ToText(peer.SubjectName) : null);
        }
        catch (Exception fault) when (X509Judge.IsFailure(fault))
        {
            stream.Dispose();
            throw judge.Failed(fault);
        }
    }

    protected override void Dispose(bool disposing)
    {
        _own.Dispose();
        base.Dispose(disposing);
    }

    // A resumed session would get around the lists that were read since, and around the client's certificate.
    private SslServerAuthenticationOptions OptionsFor(X509Judge judge) => new()
    {
        ServerCertificateContext = _context,
        EnabledSslProtocols = TlsVersions.Allowed,
        AllowTlsResume = false,
        AllowRenegotiation = false,
        ClientCertificateRequired = IdentifiesClients,
        CertificateChainPolicy = judge.NewPolicy(),
        RemoteCertificateValidationCallback = IdentifiesClients ? judge.Accept : null,
    };
}
