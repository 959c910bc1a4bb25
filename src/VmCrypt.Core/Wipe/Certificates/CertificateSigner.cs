using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Wipe.Certificates;

/// <summary>Signs certificates: with the key of this host, or with a key or X.509 certificate of the user. ECDSA on P-256, SHA-256.</summary>
public sealed class CertificateSigner : IDisposable
{
    public const string Algorithm = "ECDSA-P256-SHA256";

    /// <summary>The host's key, PKCS#8 in PEM, in the configuration folder.</summary>
    public const string KeyFileName = "certificate-key.pem";

    private const int MaxFile = 1 << 20;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly ECDsa _key;
    private readonly IReadOnlyList<byte[]> _chain;

    private CertificateSigner(ECDsa key, IReadOnlyList<byte[]> chain)
    {
        _key = key;
        _chain = chain;
    }

    /// <summary>SHA-256 of the public key, in lower-case hex: what the receiver of certificates compares.</summary>
    public string Fingerprint => FingerprintOf(_key.ExportSubjectPublicKeyInfo());

    /// <summary>The public key in PEM, for those who verify.</summary>
    public string PublicKeyPem => _key.ExportSubjectPublicKeyInfoPem();

    /// <summary>The key of this host; made at the first call.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.ConfigurationUnsafe"/>.</exception>
    public static async Task<CertificateSigner> OfHostAsync(ConfigurationFolder folder, CancellationToken cancellationToken)
    {
        string path = folder[KeyFileName];
        if (!File.Exists(path))
        {
            await MakeAsync(folder, path, cancellationToken);
        }

        folder.RequireTrusted(KeyFileName);
        return await FromFileAsync(path, null, cancellationToken);
    }

    /// <summary>A user's key: a PEM file with a private key, and certificates where there are any, or a PKCS#12 file.</summary>
    /// <param name="passphrase">Of an encrypted key or a PKCS#12 file, in UTF-8; borrowed.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.CertificateKeyUnusable"/>.</exception>
    public static async Task<CertificateSigner> FromFileAsync(string path, SecretBuffer? passphrase, CancellationToken cancellationToken)
    {
        byte[] bytes = await ReadAsync(path, cancellationToken);
        char[]? letters = passphrase is null ? null : LettersOf(passphrase);
        try
        {
            return bytes.AsSpan().IndexOf("-----BEGIN "u8) >= 0
                ? FromPem(Encoding.UTF8.GetString(bytes), letters, path)
                : FromPkcs12(bytes, letters, path);
        }
        catch (Exception fault) when (fault is CryptographicException or ArgumentException)
        {
            throw Unusable(path, fault.Message, fault);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
            letters.AsSpan().Clear();
        }
    }

    public void Dispose() => _key.Dispose();

    internal static string FingerprintOf(ReadOnlySpan<byte> publicKey) => Convert.ToHexStringLower(SHA256.HashData(publicKey));

    internal static bool IsP256(ECDsa key) => key.ExportParameters(includePrivateParameters: false).Curve.Oid.Value == ECCurve.NamedCurves.nistP256.Oid.Value;

    internal CertificateSignature Sign(byte[] canonical) => new(
        Algorithm,
        _key.ExportSubjectPublicKeyInfo(),
        _chain,
        _key.SignData(canonical, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));

    private static char[] LettersOf(SecretBuffer passphrase)
    {
        var letters = new char[Encoding.UTF8.GetCharCount(passphrase.Span)];
        Encoding.UTF8.GetChars(passphrase.Span, letters);
        return letters;
    }

    private static CertificateSigner FromPem(string pem, char[]? passphrase, string path)
    {
        ECDsa key = ECDsa.Create();
        if (passphrase is not null)
        {
            key.ImportFromEncryptedPem(pem, passphrase);
        }
        else
        {
            key.ImportFromPem(pem);
        }

        using var certificates = new Owned();
        certificates.All.ImportFromPem(pem);
        return Checked(key, certificates.All, path);
    }

    private static CertificateSigner FromPkcs12(byte[] bytes, char[]? passphrase, string path)
    {
        using var certificates = new Owned();
        certificates.All.AddRange(X509CertificateLoader.LoadPkcs12Collection(bytes, passphrase, X509KeyStorageFlags.EphemeralKeySet));
        ECDsa key = certificates.All.Select(certificate => certificate.GetECDsaPrivateKey()).FirstOrDefault(key => key is not null)
            ?? throw Unusable(path, "it holds no private ECDSA key");
        return Checked(key, certificates.All, path);
    }

    // The signer's own certificate goes first, whatever the order in the file.
    private static CertificateSigner Checked(ECDsa key, X509Certificate2Collection certificates, string path)
    {
        if (!IsP256(key))
        {
            throw Unusable(path, "its key is not on the curve P-256");
        }

        byte[] publicKey = key.ExportSubjectPublicKeyInfo();
        if (key.TrySignHash(new byte[32], new byte[128], DSASignatureFormat.Rfc3279DerSequence, out _) is false)
        {
            throw Unusable(path, "it holds no private key");
        }

        X509Certificate2[] own = [.. certificates.Where(certificate => certificate.PublicKey.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(publicKey))];
        if (own.Length == 0 && certificates.Count > 0)
        {
            throw Unusable(path, "none of its certificates belongs to its key");
        }

        return new CertificateSigner(key, [.. own.Take(1).Concat(certificates.Except(own)).Select(certificate => certificate.RawData)]);
    }

    private static async Task MakeAsync(ConfigurationFolder folder, string path, CancellationToken cancellationToken)
    {
        folder.Create();
        using FileLock gate = await FileLock.TakeAsync(path, s_patience, cancellationToken);
        if (File.Exists(path))
        {
            return;
        }

        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] pem = Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem() + "\n");
        await using (PendingFile pending = await PendingFile.CreateAsync(path, new FileCreateOptions { Length = pem.Length }, replace: false, cancellationToken))
        {
            await pending.Device.WriteAsync(0, pem, cancellationToken);
            await pending.CommitAsync(cancellationToken);
        }

        CryptographicOperations.ZeroMemory(pem);
        await File.WriteAllTextAsync(Path.ChangeExtension(path, ".pub.pem"), key.ExportSubjectPublicKeyInfoPem() + "\n", cancellationToken);
    }

    private static async Task<byte[]> ReadAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > MaxFile } large)
            {
                throw Unusable(path, $"it has {large.Length} bytes, and a key file has at most {MaxFile}");
            }

            return await File.ReadAllBytesAsync(path, cancellationToken);
        }
        catch (Exception thrown) when (IOFaults.Is(thrown))
        {
            throw IOFaults.From(thrown, "Reading", path);
        }
    }

    private static InvalidInputException Unusable(string path, string how, Exception? inner = null) =>
        new(ErrorIds.CertificateKeyUnusable, $"The signing key '{path}' cannot be used: {how}.", inner);

    private sealed class Owned : IDisposable
    {
        public X509Certificate2Collection All { get; } = [];

        public void Dispose()
        {
            foreach (X509Certificate2 certificate in All)
            {
                certificate.Dispose();
            }
        }
    }
}
