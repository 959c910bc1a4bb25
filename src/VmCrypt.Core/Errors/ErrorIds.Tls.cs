namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>The certificates, keys or revocation lists of our own side are missing, unreadable, expired, or do not belong together.</summary>
    public const string TlsCredentialsInvalid = nameof(TlsCredentialsInvalid);

    /// <summary>The TLS handshake failed: no common protocol, or the peer refused us.</summary>
    public const string TlsHandshakeFailed = nameof(TlsHandshakeFailed);

    /// <summary>The peer shows no certificate where one is wanted.</summary>
    public const string TlsCertificateMissing = nameof(TlsCertificateMissing);

    /// <summary>The peer's certificate comes from no authority that we trust, or is not made for its use.</summary>
    public const string TlsCertificateUntrusted = nameof(TlsCertificateUntrusted);

    /// <summary>A certificate of the peer is not valid yet, or not any more.</summary>
    public const string TlsCertificateExpired = nameof(TlsCertificateExpired);

    /// <summary>The authority revoked the peer's certificate, or its revocation list is out of date.</summary>
    public const string TlsCertificateRevoked = nameof(TlsCertificateRevoked);

    /// <summary>The server's certificate is for another host.</summary>
    public const string TlsNameMismatch = nameof(TlsNameMismatch);

    /// <summary>TLS was asked for, and the NBD server has none.</summary>
    public const string NbdTlsRefused = nameof(NbdTlsRefused);

    /// <summary>The peer sent plain bytes behind the start of TLS, which somebody in between could have put there.</summary>
    public const string NbdTlsInjected = nameof(NbdTlsInjected);

    /// <summary>An address that others can reach would serve a plain disk without TLS.</summary>
    public const string NbdPlainRefused = nameof(NbdPlainRefused);

    /// <summary>The client proved who it is, and the rules do not let it in.</summary>
    public const string NbdClientDenied = nameof(NbdClientDenied);

    /// <summary>The rules changed, and do not let a connected client in any more.</summary>
    public const string NbdClientRevoked = nameof(NbdClientRevoked);

    /// <summary>An authorisation list cannot be read, or is not one as QEMU writes them.</summary>
    public const string AuthorizationListInvalid = nameof(AuthorizationListInvalid);

    /// <summary>The machine has no PAM.</summary>
    public const string PamUnavailable = nameof(PamUnavailable);
}
