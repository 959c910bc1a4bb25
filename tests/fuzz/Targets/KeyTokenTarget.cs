using System.Buffers.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Keys.Tokens;
using VmCrypt.Core.Luks;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>Tokens as somebody imports them, and what others wrote into them.</summary>
/// <remarks>The first byte chooses: even a token, odd a policy of clevis, which stands in a token as base64url.</remarks>
internal sealed class KeyTokenTarget : IFuzzTarget
{
    private static readonly Lazy<byte[]> s_disk = new(Make);

    public string Name => "key-token";

    public int MaxLength => 8 * 1024;

    public IReadOnlyList<byte[]> Words { get; } = Text.Words(
        "\"type\":\"clevis\"", "\"systemd-tpm2\"", "\"systemd-recovery\"", "\"systemd-fido2\"", "\"systemd-pkcs11\"", "\"luks2-keyring\"", "\"luks2-x\"", "\"keyslots\":[\"0\"]", "\"keyslots\":[]",
        "\"key_description\":\"", "\"jwe\":{", "\"protected\":\"", "\"recipients\":[{", "\"encrypted_key\":\"", "\"iv\":\"", "\"ciphertext\":\"", "\"tag\":\"", "\"clevis\":{\"pin\":\"", "\"tang\":{\"url\":\"",
        "\"tpm2\":{\"pcr_bank\":\"sha256\",\"pcr_ids\":\"0,7\"}", "\"sss\":{\"t\":2,\"jwe\":[", "eyJjbGV2aXMiOnsicGluIjoidGFuZyIsInRhbmciOnt9fX0", "\"tpm2-pcrs\":[7]", "\"tpm2-pin\":true",
        "\\ud800", "\\u001b[2J", "18446744073709551616", "null", "[]", "{}", "\"", ",", ".");

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (input.IsEmpty)
        {
            return;
        }

        string json = input[0] % 2 == 0
            ? Text.Of(input[1..])
            : $$$"""{"type":"clevis","keyslots":["0"],"jwe":{"protected":"{{{Base64Url.EncodeToString(input[1..])}}}","encrypted_key":"","iv":"","ciphertext":"","tag":""}}""";
        Sync.Wait(RunAsync(json, trace));
    }

    private static async Task RunAsync(string json, Trace trace)
    {
        var device = new MemoryDevice([.. s_disk.Value]);
        LuksHeader header = await LuksHeader.OpenAsync(device, LuksOpenOptions.Default, default);
        int number = await header.AddTokenAsync(json, number: null, default);
        KeyTokenFacts stored = (await LuksHeader.OpenAsync(device, LuksOpenOptions.Default, default)).Facts.Tokens.Single();
        DefectException.Unless(stored == header.Facts.Tokens.Single() with { KeySlots = stored.KeySlots }, "The token is read as another.");

        string? need = TokenNeeds.Of(stored)?.ToString();
        trace.Note($"{stored.Type.Length} {need?.Split(' ')[0]}", stored.KeySlots.Length);
        DefectException.Unless(need is null || !need.Any(char.IsControl), "Control characters reach the terminal.");
        DefectException.Unless(!stored.Json.Any(char.IsControl) && !stored.Type.Any(char.IsControl), "Control characters reach the terminal.");

        await header.SetTokenAsync(number, stored.Json, default);
        DefectException.Unless(header.Facts.Tokens.Single().Json == stored.Json, "An exported token is imported as another.");
        DefectException.Unless(KeyTokenJson.Assign(stored.Json, stored.KeySlots) == stored.Json || stored.KeySlots.Distinct().Count() < stored.KeySlots.Length, "Nothing was assigned, but the token is another.");
    }

    private static byte[] Make()
    {
        var options = new LuksFormatOptions { Version = LuksVersion.Luks2, Cost = KdfCost.OfIterations(KdfCost.MinIterations), KeyslotsSize = 258048, PayloadAlignment = 4096 };
        var device = new MemoryDevice(options.HeaderLength + 4096);
        using var passphrase = Text.Secret("fuzz");
        Sync.Wait(FormatAsync());
        return device.ToArray();

        async Task FormatAsync() => (await LuksHeader.FormatAsync(device, options, passphrase, default)).Key.Dispose();
    }
}
