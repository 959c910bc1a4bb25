using System.Security.Cryptography;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Block.Nbd.Tls;

/// <summary>One file of a good folder is spoilt per row; the folder is refused, and no key is quoted.</summary>
public sealed class X509FolderTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly TestAuthority _authority;

    public X509FolderTests() => _authority = new TestAuthority(_scratch.Folder);

    public void Dispose()
    {
        _authority.Dispose();
        _scratch.Dispose();
    }

    public static TheoryData<string, string?> Spoilt() => new()
    {
        { "ca-cert.pem", null },
        { "ca-cert.pem", string.Empty },
        { "ca-cert.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
        { "server-cert.pem", null },
        { "server-cert.pem", "no certificate" },
        { "server-key.pem", null },
        { "server-key.pem", "no key" },
        { "server-key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" },
        { "ca-crl.pem", string.Empty },
        { "ca-crl.pem", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n" },
        { "ca-crl.pem", "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n" },
    };

    [Theory]
    [MemberData(nameof(Spoilt))]
    public void A_folder_with_a_spoilt_file_is_refused(string file, string? content)
    {
        string folder = _authority.Server();
        string path = Path.Combine(folder, file);
        File.Delete(path);
        if (content is not null)
        {
            File.WriteAllText(path, content);
        }

        Refused(folder);
    }

    [Fact]
    public void A_file_longer_than_any_is_not_read_through()
    {
        string folder = _authority.Server();
        File.AppendAllText(Path.Combine(folder, "ca-cert.pem"), new string('\n', 1 << 20));

        Refused(folder);
    }

    [Fact]
    public void A_key_of_another_certificate_is_refused()
    {
        string folder = _authority.Server();
        File.Copy(Path.Combine(_authority.Server(), "server-key.pem"), Path.Combine(folder, "server-key.pem"), overwrite: true);

        Refused(folder);
    }

    [Fact]
    public void An_own_certificate_that_is_over_is_refused() => Refused(_authority.Server(days: -1));

    [Fact]
    public void An_encrypted_key_is_not_supported()
    {
        string folder = _authority.Server();
        using var key = ECDsa.Create();
        File.WriteAllText(Path.Combine(folder, "server-key.pem"), key.ExportEncryptedPkcs8PrivateKeyPem("x", new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1)));

        var error = Assert.Throws<UnsupportedFeatureException>(() => TlsServerCredentials.FromFolder(folder));
        Assert.Equal(ErrorIds.TlsCredentialsInvalid, error.ErrorId);
    }

    [Fact]
    public void A_revocation_list_of_another_authority_is_refused()
    {
        using var other = new TestAuthority(_scratch["other"]);
        string folder = _authority.Server();
        other.WriteRevocations(folder);

        Refused(folder);
    }

    [Fact]
    public void A_revocation_list_with_a_changed_byte_is_refused()
    {
        string folder = _authority.Server();
        _authority.Revoke(_authority.Client());
        _authority.WriteRevocations(folder);
        string path = Path.Combine(folder, "ca-crl.pem");
        string text = File.ReadAllText(path);
        PemFields fields = PemEncoding.Find(text);
        byte[] der = Convert.FromBase64String(text[fields.Base64Data]);

        // The last byte of the signature stays, one of the revoked number changes.
        der[der.Length / 2] ^= 1;
        File.WriteAllText(path, PemEncoding.WriteString("X509 CRL", der));

        Refused(folder);
    }

    [Fact]
    public void A_revocation_list_that_covers_only_a_part_is_refused()
    {
        string folder = _authority.Server();
        _authority.WriteRevocations(folder, distributionPoint: true);

        Refused(folder);
    }

    private static void Refused(string folder)
    {
        var error = Assert.Throws<InvalidInputException>(() => TlsServerCredentials.FromFolder(folder));
        Assert.Equal(ErrorIds.TlsCredentialsInvalid, error.ErrorId);
        Assert.DoesNotContain("PRIVATE", error.ToString(), StringComparison.Ordinal);
    }
}
