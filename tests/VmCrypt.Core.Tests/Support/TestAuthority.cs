using System.Formats.Asn1;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace VmCrypt.Core.Tests.Support;

/// <summary>An authority of one test, and the folders that it fills with certificates as QEMU and nbdkit name them.</summary>
internal sealed class TestAuthority : IDisposable
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";
    private const string ClientUse = "1.3.6.1.5.5.7.3.2";

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _own;
    private readonly string _folder;
    private readonly CertificateRevocationListBuilder _revoked = new();

    /// <param name="folder">Its certificates' folders lie in there.</param>
    public TestAuthority(string folder, string name = "CN=VmCrypt test authority")
    {
        _folder = folder;
        var request = new CertificateRequest(name, _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        _own = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddYears(-1), DateTimeOffset.UtcNow.AddYears(1));
    }

    /// <summary>A folder of a server for the given host (a name or an address).</summary>
    public string Server(string host = "localhost", int days = 30) => Write("server", $"CN={host}", ServerUse, host, days);

    /// <summary>A folder of a client.</summary>
    /// <param name="days">From now to its end; negative for one that is over.</param>
    public string Client(string subject = "CN=client", int days = 30) => Write("client", subject, ClientUse, host: null, days);

    /// <summary>A folder of a client that has no certificate.</summary>
    public string Nobody()
    {
        string folder = Directory.CreateDirectory(Path.Combine(_folder, $"nobody-{Guid.NewGuid():N}"[..15])).FullName;
        File.WriteAllText(Path.Combine(folder, "ca-cert.pem"), _own.ExportCertificatePem());
        return folder;
    }

    /// <param name="folder">Of a client or of a server.</param>
    public void Revoke(string folder) =>
        _revoked.AddEntry(X509Certificate2.CreateFromPem(File.ReadAllText(Directory.GetFiles(folder, "*-cert.pem").Single(file => !file.EndsWith("ca-cert.pem", StringComparison.Ordinal)))));

    /// <summary>Writes ca-crl.pem with what was revoked so far.</summary>
    /// <param name="hours">From now to when the list is out of date.</param>
    /// <param name="distributionPoint">The list says (critically) that it covers user certificates only.</param>
    public void WriteRevocations(string folder, int hours = 24, bool distributionPoint = false)
    {
        byte[] list = _revoked.Build(
            _own, crlNumber: 1, DateTimeOffset.UtcNow.AddHours(hours), HashAlgorithmName.SHA256, thisUpdate: DateTimeOffset.UtcNow.AddDays(-2));
        list = distributionPoint ? Narrowed(list) : list;
        File.WriteAllText(Path.Combine(folder, "ca-crl.pem"), PemEncoding.WriteString("X509 CRL", list));
    }

    public void Dispose()
    {
        _own.Dispose();
        _key.Dispose();
    }

    // The builder makes no such extension: it is added, and the list signed again.
    private byte[] Narrowed(byte[] list)
    {
        AsnReader whole = new AsnReader(list, AsnEncodingRules.DER).ReadSequence();
        AsnReader body = whole.ReadSequence();
        ReadOnlyMemory<byte> algorithm = whole.ReadEncodedValue();
        var tag = new Asn1Tag(TagClass.ContextSpecific, 0, isConstructed: true);
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            while (body.PeekTag() != tag)
            {
                writer.WriteEncodedValue(body.ReadEncodedValue().Span);
            }

            using (writer.PushSequence(tag))
            using (writer.PushSequence())
            using (writer.PushSequence())
            {
                writer.WriteObjectIdentifier("2.5.29.28");
                writer.WriteBoolean(true);
                writer.WriteOctetString([0x30, 3, 0x81, 1, 0xff]);
            }
        }

        byte[] signed = writer.Encode();
        writer.Reset();
        using (writer.PushSequence())
        {
            writer.WriteEncodedValue(signed);
            writer.WriteEncodedValue(algorithm.Span);
            writer.WriteBitString(_key.SignData(signed, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence));
        }

        return writer.Encode();
    }

    private string Write(string side, string subject, string use, string? host, int days)
    {
        string folder = Nobody();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyEncipherment, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(use)], critical: false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(_own, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        if (host is not null)
        {
            var names = new SubjectAlternativeNameBuilder();
            if (IPAddress.TryParse(host, out IPAddress? address))
            {
                names.AddIpAddress(address);
            }
            else
            {
                names.AddDnsName(host);
            }

            request.CertificateExtensions.Add(names.Build());
        }

        using X509Certificate2 certificate = request.Create(
            _own, DateTimeOffset.UtcNow.AddDays(-60), DateTimeOffset.UtcNow.AddDays(days), RandomNumberGenerator.GetBytes(8));
        File.WriteAllText(Path.Combine(folder, $"{side}-cert.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(folder, $"{side}-key.pem"), key.ExportPkcs8PrivateKeyPem());
        return folder;
    }
}
