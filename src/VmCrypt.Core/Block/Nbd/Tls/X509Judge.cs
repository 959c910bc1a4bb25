using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>Decides on the certificates of one peer, and keeps why it refused.</summary>
/// <param name="authorities">Null for the system's.</param>
internal sealed class X509Judge(X509Certificate2Collection? authorities, IReadOnlyList<RevocationList> revocations)
{
    private RefusedException? _refusal;

    /// <summary>The peer's own certificate, once it was accepted.</summary>
    public X509Certificate2? Peer { get; private set; }

    /// <summary>Nothing is fetched from addresses that a peer's certificate names.</summary>
    public X509ChainPolicy NewPolicy()
    {
        var policy = new X509ChainPolicy { RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true };
        if (authorities is not null)
        {
            policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            policy.CustomTrustStore.AddRange(authorities);
        }

        return policy;
    }

    /// <summary>The callback of SslStream.</summary>
    public bool Accept(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        _refusal = Judge(certificate as X509Certificate2, chain, errors);
        Peer = _refusal is null ? certificate as X509Certificate2 : null;
        return _refusal is null;
    }

    /// <summary>Whether it is the handshake that failed, and not we; a certificate's subject may be malformed, and a connection may break.</summary>
    public static bool IsFailure(Exception fault) => fault is AuthenticationException or CryptographicException || NbdChannel.IsBreak(fault);

    /// <summary>What it means that the handshake failed.</summary>
    public VmCryptException Failed(Exception fault) =>
        _refusal ?? (VmCryptException)new ProtocolException(ErrorIds.TlsHandshakeFailed, $"The TLS handshake failed: {(fault.InnerException ?? fault).Message.TrimEnd('.')}.", fault);

    private RefusedException? Judge(X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (certificate is null || errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable))
        {
            return Refuse(ErrorIds.TlsCertificateMissing, "The peer shows no certificate");
        }

        string name = NbdText.ForPeople(certificate.Subject);
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors) || chain is null)
        {
            X509ChainStatusFlags flaws = chain?.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, one) => all | one.Status) ?? X509ChainStatusFlags.PartialChain;
            return flaws == X509ChainStatusFlags.NotTimeValid
                ? Refuse(ErrorIds.TlsCertificateExpired, $"A certificate of the peer '{name}' is not valid at this time")
                : Refuse(ErrorIds.TlsCertificateUntrusted, $"The peer's certificate '{name}' is not trusted ({flaws})");
        }

        return JudgeRevocation(chain) ?? (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)
            ? Refuse(ErrorIds.TlsNameMismatch, $"The server's certificate '{name}' is not for the host that was asked for")
            : null);
    }

    private RefusedException? JudgeRevocation(X509Chain chain)
    {
        for (int i = 0; i < chain.ChainElements.Count; i++)
        {
            // Also by the name that the issuer gives itself: the certificate may spell it in another encoding.
            X509Certificate2 certificate = chain.ChainElements[i].Certificate;
            X509Certificate2 issuer = chain.ChainElements[Math.Min(i + 1, chain.ChainElements.Count - 1)].Certificate;
            foreach (RevocationList list in revocations.Where(list => list.IsFrom(certificate.IssuerName) || list.IsFrom(issuer.SubjectName)))
            {
                if (list.Revokes(certificate))
                {
                    return Refuse(ErrorIds.TlsCertificateRevoked, $"The certificate '{NbdText.ForPeople(certificate.Subject)}' is revoked");
                }

                if (list.NextUpdate < DateTimeOffset.UtcNow)
                {
                    return Refuse(ErrorIds.TlsCertificateRevoked, $"The revocation list of '{NbdText.ForPeople(certificate.Issuer)}' was to be renewed by {list.NextUpdate:O}");
                }
            }
        }

        return null;
    }

    private static RefusedException Refuse(string id, string sentence) => new(id, $"{sentence}.");
}
