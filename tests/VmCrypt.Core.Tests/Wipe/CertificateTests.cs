using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Support;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Certificates;

namespace VmCrypt.Core.Tests.Wipe;

public sealed class CertificateTests : IDisposable
{
    private static readonly CancellationToken s_ct = CancellationToken.None;

    private readonly Scratch _scratch = new();
    private readonly ConfigurationFolder _host;

    public CertificateTests() => _host = new ConfigurationFolder(_scratch["host"]);

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("certificate.json")]
    [InlineData("certificate.html")]
    public async Task Verifies_on_a_machine_that_has_nothing_but_the_public_key(string name)
    {
        WipeCertificate issued = await IssueAsync();
        await issued.WriteAsync(_scratch[name], replace: false, s_ct);

        CertificateVerdict verdict = await CertificateVerifier.VerifyAsync(_scratch[name], _host["certificate-key.pub.pem"], s_ct);

        Assert.True(verdict.IsValid);
        Assert.Equal((true, true, (string?)null), (verdict.IsIntact, verdict.IsTrusted, verdict.Reason));
        Assert.Equal((issued.Id, "DoD", WipeStatus.ErasedWithExceptions), (verdict.Id, verdict.Standard, verdict.Status));
        Assert.Equal(new string('a', 64), verdict.AuditHash);
    }

    [Fact]
    public async Task Without_a_key_to_expect_nobody_is_trusted()
    {
        await (await IssueAsync()).WriteAsync(_scratch["c.json"], replace: false, s_ct);
        CertificateVerdict verdict = await CertificateVerifier.VerifyAsync(_scratch["c.json"], null, s_ct);
        Assert.Equal((true, (bool?)null, true), (verdict.IsIntact, verdict.IsTrusted, verdict.IsValid));
    }

    [Fact]
    public async Task Another_hosts_key_is_not_the_one_expected()
    {
        await (await IssueAsync()).WriteAsync(_scratch["c.json"], replace: false, s_ct);
        using CertificateSigner other = await CertificateSigner.OfHostAsync(new ConfigurationFolder(_scratch["other"]), s_ct);
        File.WriteAllText(_scratch["other.pem"], other.PublicKeyPem);

        CertificateVerdict verdict = await CertificateVerifier.VerifyAsync(_scratch["c.json"], _scratch["other.pem"], s_ct);

        Assert.Equal((true, (bool?)false, false), (verdict.IsIntact, verdict.IsTrusted, verdict.IsValid));
        Assert.NotNull(verdict.Reason);
    }

    [Fact]
    public async Task Blanks_and_order_do_not_matter_but_every_value_does()
    {
        WipeCertificate certificate = await IssueAsync();
        JsonNode file = JsonNode.Parse(certificate.ToJson())!;
        var statement = (JsonObject)file["certificate"]!;
        file["certificate"] = new JsonObject(statement.Reverse().Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone())));
        Assert.True(await IsIntactAsync(file.ToJsonString()));

        foreach (string path in new[] { "status", "started", "map", "host", "operator" })
        {
            JsonNode changed = JsonNode.Parse(certificate.ToJson())!;
            changed["certificate"]![path] = path switch
            {
                "status" => "Erased",
                "started" => "2026-03-01T08:30:01+00:00",
                _ => changed["certificate"]![path]!.GetValue<string>() + "E",
            };
            Assert.False(await IsIntactAsync(changed.ToJsonString()), path);
        }

        JsonNode fewer = JsonNode.Parse(certificate.ToJson())!;
        fewer["certificate"]!["findings"]!.AsArray().RemoveAt(0);
        Assert.False(await IsIntactAsync(fewer.ToJsonString()));
        JsonNode number = JsonNode.Parse(certificate.ToJson())!;
        number["certificate"]!["passes"]![0]!["writtenBytes"] = 1;
        Assert.False(await IsIntactAsync(number.ToJsonString()));
    }

    [Theory]
    [InlineData("value")]
    [InlineData("publicKey")]
    [InlineData("algorithm")]
    public async Task A_changed_signature_is_no_signature(string member)
    {
        JsonNode file = JsonNode.Parse((await IssueAsync()).ToJson())!;
        string text = file["signature"]![member]!.GetValue<string>();
        file["signature"]![member] = member == "algorithm" ? "none" : Convert.ToBase64String([.. Convert.FromBase64String(text).Select((value, i) => i == 40 ? (byte)(value ^ 1) : value)]);
        Assert.False(await IsIntactAsync(file.ToJsonString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"certificate\":{},\"signature\":{\"algorithm\":\"x\",\"publicKey\":\"\",\"chain\":[],\"value\":\"\"}}")]
    [InlineData("<!DOCTYPE html><p>no data</p>")]
    public async Task Refuses_what_is_no_certificate(string text)
    {
        File.WriteAllText(_scratch["c.json"], text);
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => CertificateVerifier.VerifyAsync(_scratch["c.json"], null, s_ct));
        Assert.Equal(ErrorIds.CertificateInvalid, error.ErrorId);
    }

    [Theory]
    [InlineData("format", "\"something-else\"")]
    [InlineData("version", "2")]
    [InlineData("status", "\"Compliant\"")]
    [InlineData("extra", "1")]
    public async Task Refuses_a_certificate_of_another_kind(string member, string value)
    {
        JsonNode file = JsonNode.Parse((await IssueAsync()).ToJson())!;
        file["certificate"]![member] = JsonNode.Parse(value);
        File.WriteAllText(_scratch["c.json"], file.ToJsonString());
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => CertificateVerifier.VerifyAsync(_scratch["c.json"], null, s_ct));
        Assert.Equal(ErrorIds.CertificateInvalid, error.ErrorId);
    }

    [Fact]
    public async Task The_page_lets_nothing_out_of_the_data_into_the_markup()
    {
        string page = (await IssueAsync()).ToHtml();
        Assert.DoesNotContain("<script>alert", page, StringComparison.Ordinal);
        Assert.Contains("web &lt;script&gt;", page, StringComparison.Ordinal);
        Assert.Equal(1, page.Split("<script").Length - 1);
        Assert.DoesNotContain("http", page.Replace("application/json", string.Empty, StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Never_says_compliant()
    {
        WipeCertificate certificate = await IssueAsync();
        Assert.DoesNotContain("complian", certificate.ToJson() + certificate.ToHtml(), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task The_host_keeps_one_key_for_itself()
    {
        using CertificateSigner first = await CertificateSigner.OfHostAsync(_host, s_ct);
        using CertificateSigner again = await CertificateSigner.OfHostAsync(_host, s_ct);
        Assert.Equal(first.Fingerprint, again.Fingerprint);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, Storage.ModeOf(_host[CertificateSigner.KeyFileName]));
    }

    [Theory]
    [InlineData("""{"b":1,"a":[true,false,null],"\u00e4":"x"}""", """{"a":[true,false,null],"b":1,"ä":"x"}""")]
    [InlineData("""{ "z" : { "y" : -0, "x" : 9223372036854775807 } }""", """{"z":{"x":9223372036854775807,"y":0}}""")]
    [InlineData("\"\\u0001\\u001f\\b\\t\\n\\f\\r\\\"\\\\\\/\\u007f\\u20ac\"", "\"\\u0001\\u001f\\b\\t\\n\\f\\r\\\"\\\\/\u007f€\"")]
    public void The_canonical_form_is_one(string json, string expected)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        Assert.Equal(expected, Encoding.UTF8.GetString(CanonicalJson.Of(document.RootElement)));
    }

    [Fact]
    public void The_canonical_form_has_no_fractions()
    {
        using JsonDocument document = JsonDocument.Parse("[1.5]");
        Assert.Throws<FormatException>(() => CanonicalJson.Of(document.RootElement));
    }

    private async Task<WipeCertificate> IssueAsync()
    {
        using CertificateSigner signer = await CertificateSigner.OfHostAsync(_host, s_ct);
        return WipeCertificate.Issue(SampleWipes.Result(), new CertificateDetails { Organisation = "Örg <b>", Sanitizer = new("Alice", "Admin") }, signer);
    }

    private async Task<bool> IsIntactAsync(string json)
    {
        File.WriteAllText(_scratch["changed.json"], json);
        return (await CertificateVerifier.VerifyAsync(_scratch["changed.json"], null, s_ct)).IsIntact;
    }
}
