using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Wipe.Certificates;

/// <summary>What a verification found.</summary>
public sealed record CertificateVerdict
{
    public required string Path { get; init; }

    /// <summary>The signature fits the content, and the signer is the one that was expected, if one was.</summary>
    public bool IsValid => IsIntact && IsTrusted != false;

    /// <summary>Nothing was changed since it was signed.</summary>
    public required bool IsIntact { get; init; }

    /// <summary>The signer is the expected one; null where nobody said who is to be expected, and then anybody can have signed it.</summary>
    public required bool? IsTrusted { get; init; }

    /// <summary>SHA-256 of the signer's public key.</summary>
    public required string SignerFingerprint { get; init; }

    /// <summary>The subject of the signer's X.509 certificate; null for a bare key.</summary>
    public required string? Signer { get; init; }

    /// <summary>In words, where it is not valid.</summary>
    public required string? Reason { get; init; }

    public required Guid Id { get; init; }

    public required string Target { get; init; }

    public required WipeStatus Status { get; init; }

    public required string Standard { get; init; }

    public required DateTimeOffset Issued { get; init; }

    public required string Host { get; init; }

    /// <summary>The hash of the audit entry that it names, to be looked up in that host's log.</summary>
    public required string? AuditHash { get; init; }
}

/// <summary>Verifies certificates, on any machine, without a network.</summary>
public static class CertificateVerifier
{
    /// <param name="expected">A PEM file: the public key or certificate of the signer, or certificates of authorities that vouch for him. Null to check the signature only.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.CertificateInvalid"/>, <see cref="ErrorIds.CertificateKeyUnusable"/>.</exception>
    public static async Task<CertificateVerdict> VerifyAsync(string path, string? expected, CancellationToken cancellationToken)
    {
        WipeCertificate certificate = await WipeCertificate.ReadAsync(path, cancellationToken);
        CertificateSignature signature = certificate.File.Signature;
        X509Certificate2[] chain = ReadChain(signature, path);
        try
        {
            string? reason = Check(certificate, chain);
            bool intact = reason is null;
            bool? trusted = expected is null ? null : IsExpected(signature, chain, await ReadExpectedAsync(expected, cancellationToken), expected, certificate.Issued);
            CertificateBody body = certificate.Body;
            return new CertificateVerdict
            {
                Path = path,
                IsIntact = intact,
                IsTrusted = trusted,
                SignerFingerprint = certificate.SignerFingerprint,
                Signer = chain.FirstOrDefault()?.Subject,
                Reason = reason ?? (trusted == false ? $"The signer is not the one that '{expected}' names." : null),
                Id = body.Id,
                Target = body.Medium.Path,
                Status = body.Status,
                Standard = body.Method.Standard,
                Issued = body.Issued,
                Host = body.Host,
                AuditHash = body.Audit?.Hash,
            };
        }
        finally
        {
            Array.ForEach(chain, link => link.Dispose());
        }
    }

    // Null where the signature fits.
    private static string? Check(WipeCertificate certificate, X509Certificate2[] chain)
    {
        CertificateSignature signature = certificate.File.Signature;
        if (signature.Algorithm != CertificateSigner.Algorithm)
        {
            return $"The signature's algorithm is '{signature.Algorithm}', not {CertificateSigner.Algorithm}.";
        }

        if (chain.Length > 0 && !chain[0].PublicKey.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(signature.PublicKey))
        {
            return "The signer's X.509 certificate belongs to another key than the signature.";
        }

        try
        {
            using ECDsa key = ECDsa.Create();
            key.ImportSubjectPublicKeyInfo(signature.PublicKey, out _);
            byte[] canonical = CanonicalJson.Of(certificate.File.Certificate);
            return CertificateSigner.IsP256(key)
                && key.VerifyData(canonical, signature.Value, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)
                ? null
                : "The content was changed after it was signed, or the signature belongs to something else.";
        }
        catch (Exception fault) when (fault is CryptographicException or FormatException or EncoderFallbackException)
        {
            return $"The signature cannot be checked: {fault.Message}";
        }
    }

    private static bool IsExpected(CertificateSignature signature, X509Certificate2[] chain, string pem, string path, DateTimeOffset issued)
    {
        try
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPem(pem);
            if (authorities.Count == 0)
            {
                using ECDsa key = ECDsa.Create();
                key.ImportFromPem(pem);
                return key.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(signature.PublicKey);
            }

            return authorities.Any(authority => authority.PublicKey.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(signature.PublicKey))
                || IsVouchedFor(chain, authorities, issued);
        }
        catch (Exception fault) when (fault is CryptographicException or ArgumentException)
        {
            throw new InvalidInputException(ErrorIds.CertificateKeyUnusable, $"'{path}' holds neither a public key nor certificates: {fault.Message}", fault);
        }
    }

    private static bool IsVouchedFor(X509Certificate2[] chain, X509Certificate2Collection authorities, DateTimeOffset issued)
    {
        if (chain.Length == 0)
        {
            return false;
        }

        using var builder = new X509Chain();
        builder.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        builder.ChainPolicy.CustomTrustStore.AddRange(authorities);
        builder.ChainPolicy.ExtraStore.AddRange(chain);
        builder.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        builder.ChainPolicy.DisableCertificateDownloads = true;
        // Signed while it was valid; what runs out later does not undo that.
        builder.ChainPolicy.VerificationTime = issued.UtcDateTime;
        return builder.Build(chain[0]);
    }

    private static X509Certificate2[] ReadChain(CertificateSignature signature, string path)
    {
        try
        {
            return [.. signature.Chain.Select(X509CertificateLoader.LoadCertificate)];
        }
        catch (CryptographicException fault)
        {
            throw new InvalidInputException(ErrorIds.CertificateInvalid, $"'{path}' is no wipe certificate: its X.509 chain cannot be read ({fault.Message}).", fault);
        }
    }

    private static async Task<string> ReadExpectedAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            return await File.ReadAllTextAsync(path, cancellationToken);
        }
        catch (Exception thrown) when (IOFaults.Is(thrown))
        {
            throw IOFaults.From(thrown, "Reading", path);
        }
    }
}
