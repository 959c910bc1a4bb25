using System.Buffers.Text;
using System.Text;
using VmCrypt.Core.Keys.Tokens;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Tests.Keys;

public sealed class TokenNeedsTests
{
    private const string Tang = """{"clevis":{"pin":"tang","tang":{"url":"http://tang.example:7500","adv":{"keys":[]}}},"enc":"A256GCM"}""";
    private const string Tpm2 = """{"clevis":{"pin":"tpm2","tpm2":{"hash":"sha256","key":"ecc","jwk_pub":"AA","jwk_priv":"AA","pcr_bank":"sha256","pcr_ids":"0,7"}}}""";

    public static TheoryData<string, string?> Tokens => new()
    {
        { Clevis(Tang), "tang http://tang.example:7500" },
        { Clevis(Tpm2), "TPM 2.0, PCR 0+7 (sha256)" },
        { Clevis("""{"clevis":{"pin":"tpm2","tpm2":{"hash":"sha256","key":"ecc"}}}"""), "TPM 2.0" },
        { Clevis(Shared(2, Tang, Tpm2)), "2 of (tang http://tang.example:7500; TPM 2.0, PCR 0+7 (sha256))" },
        { Clevis(Shared(1, Shared(1, Tang), "no json")), "1 of (1 of (tang http://tang.example:7500); pin 'unknown' of clevis)" },
        { Clevis("""{"clevis":{"pin":"yubikey","yubikey":{}}}"""), "pin 'yubikey' of clevis" },
        { Clevis("""{"clevis":{"pin":"tang","tang":{"url":"http://x\u001b[2J"}}}"""), "tang http://x?[2J" },
        { Clevis("""{"clevis":{"pin":"tang"}}"""), "a tang server" },
        { Clevis("""{"clevis":{}}"""), null },
        { Clevis("""{}"""), null },
        { Clevis("""[]"""), null },
        { Clevis("""{"clevis":{"pin":"tang","pin":"tpm2"}}"""), null },
        { Clevis("""{"clevis":{"pin":"\ud800"}}"""), null },
        { """{"type":"clevis","keyslots":[],"jwe":{"protected":"%%","encrypted_key":"","iv":"","ciphertext":"","tag":""}}""", null },
        { """{"type":"clevis","keyslots":[],"jwe":"compact.is.no.object.here"}""", null },
        { """{"type":"clevis","keyslots":[]}""", null },
        { """{"type":"systemd-tpm2","keyslots":["1"],"tpm2-blob":"AA","tpm2-pcrs":[7,11],"tpm2-pcr-bank":"sha256","tpm2-pin":true}""", "TPM 2.0, PCR 7+11 (sha256), PIN" },
        { """{"type":"systemd-tpm2","keyslots":["1"],"tpm2-pcrs":[],"tpm2-pcr-bank":"sha256","tpm2_pubkey_pcrs":[11]}""", "TPM 2.0, signed PCR 11 (sha256)" },
        { """{"type":"systemd-tpm2","keyslots":["1"],"tpm2-pcrs":"all","tpm2-pin":"yes"}""", "TPM 2.0" },
        { """{"type":"systemd-recovery","keyslots":["1"]}""", "the printed recovery key" },
        { """{"type":"systemd-fido2","keyslots":[],"fido2-rp":"io.systemd.cryptsetup","fido2-clientPin-required":true}""", "FIDO2 token for io.systemd.cryptsetup, PIN" },
        { """{"type":"systemd-pkcs11","keyslots":[],"pkcs11-uri":"pkcs11:model=x"}""", "PKCS#11 pkcs11:model=x" },
        { """{"type":"luks2-keyring","keyslots":[],"key_description":"vm:web"}""", "key 'vm:web' in the kernel's keyring" },
        { """{"type":"other","keyslots":[]}""", null },
    };

    [Theory]
    [MemberData(nameof(Tokens))]
    public void A_token_says_what_it_needs(string json, string? need) => Assert.Equal(need, TokenNeeds.Of(Facts(json))?.ToString());

    [Fact]
    public void A_policy_that_is_not_UTF8_says_nothing()
    {
        string header = Base64Url.EncodeToString([.. "{\"clevis\":{\"pin\":\""u8, 0xFF, .. "\"}}"u8]);

        Assert.Null(TokenNeeds.Of(Facts($$$"""{"type":"clevis","keyslots":[],"jwe":{"protected":"{{{header}}}","encrypted_key":"","iv":"","ciphertext":"","tag":""}}""")));
    }

    [Fact]
    public void Policies_in_policies_have_an_end()
    {
        string policy = Tang;
        for (int depth = 0; depth < 12; depth++)
        {
            policy = Shared(1, policy);
        }

        Assert.Contains("unknown", TokenNeeds.Of(Facts(Clevis(policy)))!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_policy_can_be_taken_apart()
    {
        TokenNeed need = TokenNeeds.Of(Facts(Clevis(Shared(2, Tang, Tpm2))))!;

        Assert.Equal((2, 2), (need.Threshold, need.Parts.Length));
        Assert.Equal("http://tang.example:7500", need.Parts[0].Url);
        Assert.Equal(("sha256", 7), (need.Parts[1].PcrBank, need.Parts[1].Pcrs[1]));
    }

    private static string Clevis(string header) =>
        $$$"""{"type":"clevis","keyslots":["0"],"jwe":{"ciphertext":"AA","encrypted_key":"","iv":"AA","protected":"{{{Encode(header)}}}","tag":"AA"}}""";

    private static string Shared(int threshold, params string[] policies) =>
        """{"clevis":{"pin":"sss","sss":{"t":""" + threshold + ""","p":"AA","jwe":[""" + string.Join(',', policies.Select(policy => $"\"{Encode(policy)}..AA.AA.AA\"")) + "]}}}";

    private static string Encode(string text) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));

    private static KeyTokenFacts Facts(string json) =>
        new(0, System.Text.Json.Nodes.JsonNode.Parse(json)!["type"]!.GetValue<string>(), [0], json);
}
