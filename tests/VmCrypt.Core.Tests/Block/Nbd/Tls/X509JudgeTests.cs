using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Block.Nbd.Tls;

public sealed class X509JudgeTests
{
    [Fact]
    public void A_certificate_that_spells_its_issuer_in_another_encoding_is_revoked_all_the_same()
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        using X509Certificate2 authority = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        var spelling = new X500DistinguishedName("CN=authority", X500DistinguishedNameFlags.ForceUTF8Encoding);
        Assert.NotEqual(authority.SubjectName.RawData, spelling.RawData);
        using var own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 client = new CertificateRequest("CN=client", own, HashAlgorithmName.SHA256)
            .Create(spelling, X509SignatureGenerator.CreateForECDsa(key), now.AddHours(-1), now.AddHours(1), [1, 2, 3]);
        var list = new CertificateRevocationListBuilder();
        list.AddEntry(client);
        X509Certificate2Collection authorities = [authority];
        var judge = new X509Judge(authorities, [RevocationList.Parse(list.Build(authority, 1, now.AddHours(1), HashAlgorithmName.SHA256), authorities)]);
        using var chain = new X509Chain { ChainPolicy = judge.NewPolicy() };

        Assert.True(chain.Build(client));
        Assert.False(judge.Accept(this, client, chain, SslPolicyErrors.None));
        Assert.Equal(ErrorIds.TlsCertificateRevoked, judge.Failed(new IOException()).ErrorId);
    }

    [Fact]
    public void What_a_strangers_certificate_says_does_not_reach_a_terminal_as_it_is()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var name = new X500DistinguishedNameBuilder();
        name.AddCommonName("\e]0;gone\a");
        using X509Certificate2 stranger = new CertificateRequest(name.Build(), key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        var judge = new X509Judge([], []);

        Assert.False(judge.Accept(this, stranger, chain: null, SslPolicyErrors.RemoteCertificateChainErrors));

        VmCryptException refusal = judge.Failed(new IOException());
        Assert.Equal(ErrorIds.TlsCertificateUntrusted, refusal.ErrorId);
        Assert.Contains("gone", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(refusal.Message, char.IsControl);
    }
}
