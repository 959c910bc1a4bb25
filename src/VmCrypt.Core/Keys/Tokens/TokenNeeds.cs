using System.Text.Json.Nodes;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Keys.Tokens;

/// <summary>Reads out of tokens what they need. Others wrote them, so what is not as it should be is passed over, never an error.</summary>
public static class TokenNeeds
{
    /// <summary>Null where the type is not known here, or the token says nothing that could be understood.</summary>
    public static TokenNeed? Of(KeyTokenFacts token)
    {
        JsonObject members = TokenText.MembersOf(token);
        return token.Type switch
        {
            KeyTokenTypes.Clevis => ClevisJwe.Read(members["jwe"]) is { } jwe ? jwe.Need : null,
            KeyTokenTypes.Keyring => new TokenNeed("keyring") { Name = TokenText.Of(members, "key_description") },
            KeyTokenTypes.Recovery => new TokenNeed("recovery-key"),
            KeyTokenTypes.Tpm2 => new TokenNeed("tpm2")
            {
                PcrBank = TokenText.Of(members, "tpm2-pcr-bank"),
                Pcrs = Numbers(members, "tpm2-pcrs"),
                SignedPcrs = Numbers(members, "tpm2_pubkey_pcrs"),
                Pin = Flag(members, "tpm2-pin"),
            },
            KeyTokenTypes.Fido2 => new TokenNeed("fido2") { Name = TokenText.Of(members, "fido2-rp"), Pin = Flag(members, "fido2-clientPin-required") },
            KeyTokenTypes.Pkcs11 => new TokenNeed("pkcs11") { Name = TokenText.Of(members, "pkcs11-uri") },
            _ => null,
        };
    }

    private static bool Flag(JsonObject members, string name) => members[name] is JsonValue value && value.TryGetValue(out bool set) && set;

    private static int[] Numbers(JsonObject members, string name) =>
        [.. (members[name] as JsonArray ?? []).Select(item => item is JsonValue value && value.TryGetValue(out int number) ? number : -1).Where(number => number >= 0)];
}
