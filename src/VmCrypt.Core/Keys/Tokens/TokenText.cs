using System.Text;
using System.Text.Json.Nodes;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Luks.Luks2;

namespace VmCrypt.Core.Keys.Tokens;

/// <summary>Texts out of other people's JSON.</summary>
internal static class TokenText
{
    /// <summary>The token's members.</summary>
    public static JsonObject MembersOf(KeyTokenFacts token) => Luks2Json.Parse(Encoding.UTF8.GetBytes(token.Json));

    /// <summary>The member's text, fit for a terminal; null where there is none.</summary>
    public static string? Of(JsonObject members, string name) => Raw(members, name) is { } text ? LuksText.Printable(text) : null;

    /// <summary>The member's text as it is; null where there is none.</summary>
    public static string? Raw(JsonObject members, string name) =>
        members[name] is JsonValue value && value.TryGetValue(out string? text) ? text : null;
}
