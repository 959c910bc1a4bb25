using System.Management.Automation;
using System.Security;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;

namespace VmCrypt.Commands.Wipe;

/// <summary>A command that can issue certificates of wipes.</summary>
public abstract class CertifyingCmdlet : VmCryptCmdlet
{
    private CertificateIssuer? _issuer;

    /// <summary>PEM or PKCS#12; the host's own key without it.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? SigningKey { get; set; }

    [Parameter]
    public SecureString? SigningPassphrase { get; set; }

    /// <summary>A JSON file of what only people know.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? CertificateDetails { get; set; }

    /// <summary>Opened once, and closed with the command.</summary>
    private protected CertificateIssuer Issuer => _issuer ??= Open();

    protected override void Dispose(bool disposing)
    {
        _issuer?.Dispose();
        base.Dispose(disposing);
    }

    private CertificateIssuer Open()
    {
        string? key = SigningKey is null ? null : Shell.ResolveNewPath(SigningKey);
        string? details = CertificateDetails is null ? null : Shell.ResolveNewPath(CertificateDetails);
        using SecretBuffer? secret = SigningPassphrase is null ? null : SecretSource.Utf8Of(SigningPassphrase);
        return Run(token => new ValueTask<CertificateIssuer>(CertificateIssuer.OpenAsync(ConfigurationFolder.Default, key, secret, details, token)));
    }
}
