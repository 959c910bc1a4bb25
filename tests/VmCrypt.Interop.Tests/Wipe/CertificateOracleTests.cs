using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Certificates;

namespace VmCrypt.Interop.Tests.Wipe;

/// <summary>Certificates as others see them: OpenSSL, Python, a browser.</summary>
public sealed class CertificateOracleTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly ConfigurationFolder _host;

    public CertificateOracleTests() => _host = new ConfigurationFolder(_scratch["host"]);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task OpenSSL_verifies_what_Python_makes_canonical()
    {
        Tools.Require("python3");
        using CertificateSigner signer = await CertificateSigner.OfHostAsync(_host, Token);
        await WipeCertificate.Issue(SampleWipes.Result("Gutmann"), CertificateDetails.None, signer).WriteAsync(_scratch["c.json"], replace: false, Token);

        const string script = """
            import base64, json, sys
            file = json.load(open(sys.argv[1], encoding='utf-8'))
            open(sys.argv[2], 'wb').write(json.dumps(file['certificate'], sort_keys=True, separators=(',', ':'), ensure_ascii=False).encode())
            open(sys.argv[3], 'wb').write(base64.b64decode(file['signature']['value']))
            """;
        Tools.Run("python3", "-c", script, _scratch["c.json"], _scratch["content"], _scratch["signature"]);
        string verdict = Tools.Run(
            "openssl", "dgst", "-sha256", "-verify", _host["certificate-key.pub.pem"], "-signature", _scratch["signature"], _scratch["content"]);

        Assert.Contains("Verified OK", verdict, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("signer.pem", null)]
    [InlineData("signer.p12", "secret")]
    public async Task An_X509_certificate_is_accepted_and_its_authority_expected(string file, string? passphrase)
    {
        MakeAuthority();
        using SecretBuffer? secret = Secret(passphrase);
        using CertificateSigner signer = await CertificateSigner.FromFileAsync(_scratch[file], secret, Token);
        await WipeCertificate.Issue(SampleWipes.Result(), CertificateDetails.None, signer).WriteAsync(_scratch["c.html"], replace: false, Token);

        CertificateVerdict vouched = await CertificateVerifier.VerifyAsync(_scratch["c.html"], _scratch["ca.pem"], Token);
        CertificateVerdict direct = await CertificateVerifier.VerifyAsync(_scratch["c.html"], _scratch["signer.pem"], Token);
        CertificateVerdict stranger = await CertificateVerifier.VerifyAsync(_scratch["c.html"], _scratch["other-ca.pem"], Token);

        Assert.True(vouched.IsValid);
        Assert.True(direct.IsValid);
        Assert.Equal((true, (bool?)false), (stranger.IsIntact, stranger.IsTrusted));
        Assert.Equal("CN=wiper", vouched.Signer);
    }

    [Fact]
    public async Task An_encrypted_key_wants_its_passphrase()
    {
        Tools.Run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-aes-256-cbc", "-pass", "pass:secret", "-out", _scratch["key.pem"]);

        using SecretBuffer? secret = Secret("secret");
        using CertificateSigner signer = await CertificateSigner.FromFileAsync(_scratch["key.pem"], secret, Token);
        await UnusableAsync("key.pem", "wrong");
        await UnusableAsync("key.pem", null);
    }

    [Theory]
    [InlineData("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out {0}")]
    [InlineData("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out {0}")]
    [InlineData("genpkey -algorithm ED25519 -out {0}")]
    [InlineData("rand -out {0} 500")]
    public async Task Other_keys_are_refused(string command)
    {
        Tools.Run("openssl", [.. command.Split(' ').Select(word => word.Replace("{0}", _scratch["key.pem"], StringComparison.Ordinal))]);
        await UnusableAsync("key.pem", null);
    }

    [Fact]
    public async Task A_public_key_cannot_sign()
    {
        using CertificateSigner signer = await CertificateSigner.OfHostAsync(_host, Token);
        File.WriteAllText(_scratch["key.pem"], signer.PublicKeyPem);
        await UnusableAsync("key.pem", null);
    }

    [Theory]
    [InlineData("Zero", 1)]
    [InlineData("DoD7", 9)]
    [InlineData("Pfitzner33", 20)]
    [InlineData("Gutmann", 20)]
    public async Task A_browser_prints_it_on_one_sheet(string standard, int findings)
    {
        Tools.Require("chromium");
        using CertificateSigner signer = await CertificateSigner.OfHostAsync(_host, Token);
        var details = new CertificateDetails
        {
            Organisation = "Example Hosting GmbH",
            PropertyNumber = "INV-2231",
            CategoryBefore = "confidential",
            Destination = "reuse",
            Sanitizer = new CertificatePerson("Alice Example", "Administrator", "+49 30 1234"),
            Verifier = new CertificatePerson("Bob Example", "Auditor"),
            Notes = "Retired with the customer's contract.",
        };
        await WipeCertificate.Issue(SampleWipes.Result(standard, findings: findings), details, signer).WriteAsync(_scratch["c.html"], replace: false, Token);

        Tools.Run(
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", $"--user-data-dir={_scratch["profile"]}", "--no-pdf-header-footer",
            $"--print-to-pdf={_scratch["c.pdf"]}", $"file://{_scratch["c.html"]}");

        string pdf = System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(_scratch["c.pdf"]));
        Assert.Contains("/Count 1", pdf, StringComparison.Ordinal);
    }

    private void MakeAuthority()
    {
        foreach (string authority in new[] { "ca", "other-ca" })
        {
            Tools.Run(
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
                "-subj", $"/CN={authority}", "-keyout", _scratch[authority + ".key"], "-out", _scratch[authority + ".pem"]);
        }

        Tools.Run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=wiper", "-keyout", _scratch["key"], "-out", _scratch["csr"]);
        Tools.Run("openssl", "x509", "-req", "-in", _scratch["csr"], "-CA", _scratch["ca.pem"], "-CAkey", _scratch["ca.key"], "-days", "3650", "-out", _scratch["crt"]);
        File.WriteAllText(_scratch["signer.pem"], File.ReadAllText(_scratch["key"]) + File.ReadAllText(_scratch["crt"]));
        Tools.Run("openssl", "pkcs12", "-export", "-inkey", _scratch["key"], "-in", _scratch["crt"], "-passout", "pass:secret", "-out", _scratch["signer.p12"]);
    }

    private async Task UnusableAsync(string file, string? passphrase)
    {
        using SecretBuffer? secret = Secret(passphrase);
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => CertificateSigner.FromFileAsync(_scratch[file], secret, Token));
        Assert.Equal(ErrorIds.CertificateKeyUnusable, error.ErrorId);
    }

    private static SecretBuffer? Secret(string? text) => text is null ? null : SecretBuffer.CopyOf(System.Text.Encoding.UTF8.GetBytes(text));
}
