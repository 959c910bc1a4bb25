using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>The PEM files of one side of TLS, under the names that QEMU (tls-creds-x509) and nbdkit give them.</summary>
internal sealed class X509Folder(string folder)
{
    // Hundreds of certificates fit; whatever is longer is no such file.
    private const int MaxFileBytes = 1024 * 1024;

    /// <summary>Those whose certificates are believed: ca-cert.pem.</summary>
    public X509Certificate2Collection ReadAuthorities()
    {
        const string name = "ca-cert.pem";
        X509Certificate2Collection authorities = ReadCertificates(name);
        return authorities.Count > 0 ? authorities : throw Invalid(name, "holds no certificate");
    }

    /// <summary>What the authorities revoked: ca-crl.pem, if it is there.</summary>
    public IReadOnlyList<RevocationList> ReadRevocations(X509Certificate2Collection authorities)
    {
        const string name = "ca-crl.pem";
        if (!File.Exists(PathOf(name)))
        {
            return [];
        }

        string text = ReadText(name);
        var lists = new List<RevocationList>();
        foreach (byte[] der in Pem(text, "X509 CRL"))
        {
            try
            {
                lists.Add(RevocationList.Parse(der, authorities));
            }
            catch (CryptographicException fault)
            {
                throw Invalid(name, $"cannot be used: {fault.Message}", fault);
            }
        }

        return lists.Count > 0 ? lists : throw Invalid(name, "holds no revocation list");
    }

    /// <summary>A side's own certificate with its key, and the certificates that lead from it to the authority.</summary>
    /// <param name="side"><c>server</c> or <c>client</c>.</param>
    public (X509Certificate2 Own, X509Certificate2Collection Chain) ReadOwn(string side)
    {
        string name = $"{side}-cert.pem";
        X509Certificate2Collection chain = ReadCertificates(name);
        if (chain.Count == 0)
        {
            throw Invalid(name, "holds no certificate");
        }

        X509Certificate2 bare = chain[0];
        chain.RemoveAt(0);
        DateTime now = DateTime.Now;
        if (now < bare.NotBefore || now > bare.NotAfter)
        {
            throw Invalid(name, $"is valid from {bare.NotBefore:O} to {bare.NotAfter:O}, and now is {now:O}");
        }

        return (WithKey(bare, $"{side}-key.pem"), chain);
    }

    public bool Has(string name) => File.Exists(PathOf(name));

    private X509Certificate2 WithKey(X509Certificate2 bare, string name)
    {
        using SecretBuffer content = ReadBytes(name, out int length);
        char[] text = GC.AllocateUninitializedArray<char>(Encoding.UTF8.GetCharCount(content.Span[..length]), pinned: true);
        try
        {
            Encoding.UTF8.GetChars(content.Span[..length], text);
            if (text.AsSpan().IndexOf("ENCRYPTED") >= 0)
            {
                throw new UnsupportedFeatureException(ErrorIds.TlsCredentialsInvalid, $"'{PathOf(name)}' is encrypted; keep the key plain, in a file that only its service can read.");
            }

            X509Certificate2 own = X509Certificate2.CreateFromPem(bare.ExportCertificatePem(), text);

            // Windows' TLS takes only keys that were stored; there the PKCS #12 detour makes it one.
            return OperatingSystem.IsWindows() ? X509CertificateLoader.LoadPkcs12(own.Export(X509ContentType.Pkcs12), password: null) : own;
        }
        catch (Exception fault) when (fault is CryptographicException or ArgumentException)
        {
            // Never the inner text: it may quote the file.
            throw Invalid(name, "holds no key of the certificate beside it");
        }
        finally
        {
            text.AsSpan().Clear();
        }
    }

    private X509Certificate2Collection ReadCertificates(string name)
    {
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPem(ReadText(name));
            return certificates;
        }
        catch (CryptographicException fault)
        {
            throw Invalid(name, "holds no certificates in PEM", fault);
        }
    }

    private string ReadText(string name)
    {
        using SecretBuffer content = ReadBytes(name, out int length);
        return Encoding.UTF8.GetString(content.Span[..length]);
    }

    private SecretBuffer ReadBytes(string name, out int length)
    {
        var content = new SecretBuffer(MaxFileBytes + 1);
        try
        {
            using var file = new FileStream(PathOf(name), FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            length = file.ReadAtLeast(content.Span, content.Length, throwOnEndOfStream: false);
            return length <= MaxFileBytes ? content : throw Invalid(name, $"is longer than {MaxFileBytes} bytes");
        }
        catch (Exception fault)
        {
            content.Dispose();
            throw fault is IOException or UnauthorizedAccessException ? Invalid(name, $"cannot be read: {fault.Message}", fault) : fault;
        }
    }

    private static IEnumerable<byte[]> Pem(string text, string label)
    {
        for (int at = 0; PemEncoding.TryFind(text.AsSpan(at), out PemFields fields);)
        {
            string found = text[at..];
            if (found[fields.Label] == label)
            {
                yield return Convert.FromBase64String(found[fields.Base64Data]);
            }

            at += fields.Location.End.Value;
        }
    }

    private string PathOf(string name) => Path.Combine(folder, name);

    private InvalidInputException Invalid(string name, string why, Exception? fault = null) =>
        new(ErrorIds.TlsCredentialsInvalid, $"'{PathOf(name)}' {why}.", fault);
}
