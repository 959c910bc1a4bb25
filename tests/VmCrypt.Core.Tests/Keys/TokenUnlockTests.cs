using System.Buffers.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Keys.Tokens;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Luks;

namespace VmCrypt.Core.Tests.Keys;

public sealed class TokenUnlockTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    public static TheoryData<string, string> Unusable => new()
    {
        { """{"type":"systemd-recovery","keyslots":["0"]}""", ErrorIds.KeyTokenUnsupported },
        { """{"type":"systemd-tpm2","keyslots":["0"]}""", ErrorIds.KeyTokenUnsupported },
        { """{"type":"made-up","keyslots":["0"]}""", ErrorIds.KeyTokenUnsupported },
        { """{"type":"clevis","keyslots":["0"]}""", ErrorIds.KeyTokenInvalid },
        { """{"type":"clevis","keyslots":["0"],"jwe":{"protected":"e30","encrypted_key":"$(touch /tmp/x)","iv":"","ciphertext":"","tag":""}}""", ErrorIds.KeyTokenInvalid },
        { """{"type":"clevis","keyslots":[]}""", ErrorIds.KeyTokenUnassigned },
        { """{"type":"clevis","keyslots":["1"]}""", ErrorIds.KeyTokenUnassigned },
    };

    [Theory]
    [MemberData(nameof(Unusable))]
    public async Task A_token_that_cannot_be_asked_says_why(string json, string errorId)
    {
        (_, LuksHeader header, _) = await Sample.FormatAsync(Sample.Luks2Options);
        using SecretBuffer own = SecretBuffer.Random(32);
        using SecretBuffer passphrase = Sample.Secret("unbound");
        await header.AddUnboundSlotAsync(own, passphrase, 1, Sample.Options.Cost, Sample.Token);
        await header.AddTokenAsync(json, 4, Sample.Token);

        Assert.Equal(errorId, (await RefusalAsync(header, 4)).ErrorId);
    }

    [Fact]
    public async Task There_must_be_a_token()
    {
        (_, LuksHeader header, _) = await Sample.FormatAsync(Sample.Luks2Options);
        (_, LuksHeader luks1, _) = await Sample.FormatAsync();

        Assert.Equal(ErrorIds.KeyTokenMissing, (await RefusalAsync(header, 0)).ErrorId);
        Assert.Equal(ErrorIds.KeyTokenMissing, (await RefusalAsync(header, null)).ErrorId);
        Assert.Equal(ErrorIds.LuksVersionUnsupported, (await RefusalAsync(luks1, 0)).ErrorId);
        Assert.Equal(ErrorIds.LuksVersionUnsupported, (await RefusalAsync(luks1, null)).ErrorId);
    }

    [Fact]
    public async Task Any_token_passes_over_those_of_ignored_slots_and_tells_the_first_fault()
    {
        (_, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        await header.AddAsync(key, "second");
        await header.SetPriorityAsync(0, KeySlotPriority.Ignore, Sample.Token);
        await header.AddTokenAsync("""{"type":"clevis","keyslots":["0"]}""", null, Sample.Token);
        Assert.Equal(ErrorIds.KeyTokenMissing, (await RefusalAsync(header, null)).ErrorId);

        await header.AddTokenAsync("""{"type":"clevis","keyslots":["0","1"]}""", null, Sample.Token);
        VmCryptException reason = await RefusalAsync(header, null);
        Assert.Equal(ErrorIds.KeyTokenInvalid, reason.ErrorId);
        Assert.Contains("Token 1", reason.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_compact_form_has_five_parts()
    {
        string header = Base64Url.EncodeToString("""{"clevis":{"pin":"tang","tang":{}}}"""u8);
        var flat = System.Text.Json.Nodes.JsonNode.Parse($$"""{"protected":"{{header}}","encrypted_key":"a","iv":"b","ciphertext":"c","tag":"d"}""");
        var general = System.Text.Json.Nodes.JsonNode.Parse($$"""{"protected":"{{header}}","recipients":[{"encrypted_key":"a"}],"iv":"b","ciphertext":"c","tag":"d"}""");
        var direct = System.Text.Json.Nodes.JsonNode.Parse($$"""{"protected":"{{header}}","iv":"b","ciphertext":"c","tag":"d"}""");

        Assert.Equal($"{header}.a.b.c.d", ClevisJwe.Read(flat)?.Compact);
        Assert.Equal($"{header}.a.b.c.d", ClevisJwe.Read(general)?.Compact);
        Assert.Equal($"{header}..b.c.d", ClevisJwe.Read(direct)?.Compact);
    }

    private static async Task<VmCryptException> RefusalAsync(LuksHeader header, int? number) => await Assert.ThrowsAnyAsync<VmCryptException>(
        async () => (await TokenUnlock.ByTokenAsync(header, number, null, s_patience, Sample.Token)).Dispose());
}
