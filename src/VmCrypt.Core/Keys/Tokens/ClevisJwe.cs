using System.Buffers.Text;
using System.Globalization;
using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks.Luks2;

namespace VmCrypt.Core.Keys.Tokens;

/// <summary>The JWE (RFC 7516) of a clevis token: the passphrase of its slots, under a policy that stands in the protected header.</summary>
/// <param name="Compact">The five parts with dots between, which is what <c>clevis decrypt</c> reads.</param>
/// <param name="Need">What the policy asks for.</param>
internal sealed record ClevisJwe(string Compact, TokenNeed Need)
{
    // A policy of thresholds over thresholds; nobody has made one of three levels yet.
    private const int MaxDepth = 8;

    /// <summary>Reads the flattened or the general JSON form; null where it is neither.</summary>
    public static ClevisJwe? Read(JsonNode? jwe)
    {
        if (jwe is not JsonObject members)
        {
            return null;
        }

        JsonObject? recipient = members["recipients"] is JsonArray { Count: 1 } recipients ? recipients[0] as JsonObject : members;
        string?[] parts =
        [
            TokenText.Raw(members, "protected"),
            recipient is null ? null : TokenText.Raw(recipient, "encrypted_key") ?? string.Empty,
            TokenText.Raw(members, "iv"),
            TokenText.Raw(members, "ciphertext"),
            TokenText.Raw(members, "tag"),
        ];

        return Array.TrueForAll(parts, part => part is not null && IsBase64Url(part))
            && NeedOf(parts[0]!, 0) is { } need
            ? new ClevisJwe(string.Join('.', parts), need)
            : null;
    }

    /// <summary>Reads the compact form, which <c>clevis encrypt</c> writes; null where it is none.</summary>
    public static ClevisJwe? Parse(string compact)
    {
        string[] parts = compact.Split('.');
        return parts.Length == 5 && Array.TrueForAll(parts, IsBase64Url) && NeedOf(parts[0], 0) is { } need ? new ClevisJwe(compact, need) : null;
    }

    private static TokenNeed? NeedOf(string protectedHeader, int depth)
    {
        if (depth == MaxDepth || Decode(protectedHeader)?["clevis"] is not JsonObject policy || TokenText.Of(policy, "pin") is not { } pin)
        {
            return null;
        }

        return policy[pin] is not JsonObject members ? new TokenNeed(pin) : pin switch
        {
            "tang" => new TokenNeed(pin) { Url = TokenText.Of(members, "url") },
            "tpm2" => new TokenNeed(pin) { PcrBank = TokenText.Of(members, "pcr_bank"), Pcrs = Pcrs(members) },
            "sss" => Shared(members, depth),
            "pkcs11" => new TokenNeed(pin) { Name = TokenText.Of(members, "uri") },
            _ => new TokenNeed(pin),
        };
    }

    private static TokenNeed Shared(JsonObject members, int depth) => new("sss")
    {
        Threshold = members["t"] is JsonValue value && value.TryGetValue(out int threshold) ? threshold : 0,
        Parts =
        [
            .. (members["jwe"] as JsonArray ?? [])
                .Select(part => part is JsonValue text && text.TryGetValue(out string? compact) ? NeedOf(compact.Split('.')[0], depth + 1) : null)
                .Select(need => need ?? new TokenNeed("unknown")),
        ],
    };

    // "0,7", and nothing where no register counts.
    private static int[] Pcrs(JsonObject members) =>
    [
        .. (TokenText.Raw(members, "pcr_ids") ?? string.Empty).Split(',')
            .Select(text => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : -1)
            .Where(number => number >= 0),
    ];

    // Nothing else may reach the helper, which is a shell script.
    private static bool IsBase64Url(string part) => part.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_');

    private static JsonObject? Decode(string base64Url)
    {
        try
        {
            return Luks2Json.Parse(Base64Url.DecodeFromChars(base64Url));
        }
        catch (Exception fault) when (fault is FormatException or InvalidImageException)
        {
            return null;
        }
    }
}
