using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Certificates;

namespace VmCrypt.Commands.Wipe;

/// <summary>A key, and what people know: enough to issue certificates for results.</summary>
internal sealed class CertificateIssuer : IDisposable
{
    private readonly CertificateSigner _signer;
    private readonly CertificateDetails _details;

    private CertificateIssuer(CertificateSigner signer, CertificateDetails details)
    {
        _signer = signer;
        _details = details;
    }

    public static async Task<CertificateIssuer> OpenAsync(
        ConfigurationFolder configuration, string? key, SecretBuffer? passphrase, string? details, CancellationToken cancellationToken)
    {
        CertificateDetails known = details is null ? CertificateDetails.None : await CertificateDetails.ReadAsync(details, cancellationToken);
        CertificateSigner signer = key is null
            ? await CertificateSigner.OfHostAsync(configuration, cancellationToken)
            : await CertificateSigner.FromFileAsync(key, passphrase, cancellationToken);
        return new CertificateIssuer(signer, known);
    }

    public WipeCertificate Issue(WipeResult result) => WipeCertificate.Issue(result, _details, _signer);

    /// <summary>Writes the data and the page; returns their paths.</summary>
    /// <param name="path">A folder: both, named after target and certificate. A file: the one that its extension says.</param>
    public async Task<IReadOnlyList<string>> IssueAsync(WipeResult result, string path, CancellationToken cancellationToken)
    {
        WipeCertificate certificate = Issue(result);
        IReadOnlyList<string> files = FilesFor(certificate, path);
        foreach (string file in files)
        {
            await certificate.WriteAsync(file, replace: false, cancellationToken);
        }

        return files;
    }

    public static IReadOnlyList<string> FilesFor(WipeCertificate certificate, string path)
    {
        if (!Directory.Exists(path))
        {
            return [path];
        }

        string name = Path.Combine(path, $"{Path.GetFileName(certificate.Target.TrimEnd('/'))}-{certificate.Id.ToString()[..8]}");
        return [$"{name}.json", $"{name}.html"];
    }

    public void Dispose() => _signer.Dispose();
}
