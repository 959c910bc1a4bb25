using System.Text.Json;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Core.Nbd.Authorization;

/// <summary>QEMU's list of rules: the first that matches decides, and the policy where none does.</summary>
internal sealed class AuthorizationList(AuthzPolicy policy, IReadOnlyList<AuthzRule> rules)
{
    // A rule in a rule list in an object, and nothing deeper.
    private static readonly JsonDocumentOptions s_strict = new() { MaxDepth = 3, AllowDuplicateProperties = false };

    public bool Allows(string identity) =>
        (rules.FirstOrDefault(rule => Matches(rule, identity))?.Policy ?? policy) == AuthzPolicy.Allow;

    /// <summary>Reads <c>{"policy": "deny", "rules": [{"match": "…", "policy": "allow", "format": "glob"}]}</c> as QEMU does: what it does not know is wrong.</summary>
    /// <exception cref="JsonException">The text is no such list.</exception>
    public static AuthorizationList Parse(ReadOnlyMemory<byte> json)
    {
        try
        {
            return ParseText(json);
        }
        catch (InvalidOperationException fault)
        {
            // The document is parsed, but a text in it is no UTF-8, or half a character.
            throw new JsonException(fault.Message, fault);
        }
    }

    private static AuthorizationList ParseText(ReadOnlyMemory<byte> json)
    {
        using JsonDocument document = JsonDocument.Parse(json, s_strict);
        var policy = AuthzPolicy.Deny;
        var rules = new List<AuthzRule>();
        foreach (JsonProperty property in Object(document.RootElement, "the list").EnumerateObject())
        {
            switch (property.Name)
            {
                case "policy":
                    policy = Word<AuthzPolicy>(property);
                    break;
                case "rules" when property.Value.ValueKind == JsonValueKind.Array:
                    rules.AddRange(property.Value.EnumerateArray().Select(ParseRule));
                    break;
                default:
                    throw Unknown(property);
            }
        }

        return new AuthorizationList(policy, rules);
    }

    private static AuthzRule ParseRule(JsonElement element)
    {
        string? match = null;
        AuthzPolicy? policy = null;
        var format = AuthzFormat.Exact;
        foreach (JsonProperty property in Object(element, "a rule").EnumerateObject())
        {
            switch (property.Name)
            {
                case "match" when property.Value.ValueKind == JsonValueKind.String:
                    match = property.Value.GetString();
                    break;
                case "policy":
                    policy = Word<AuthzPolicy>(property);
                    break;
                case "format":
                    format = Word<AuthzFormat>(property);
                    break;
                default:
                    throw Unknown(property);
            }
        }

        return match is not null && policy is { } decision
            ? new AuthzRule(match, decision, format)
            : throw new JsonException("a rule has no match or no policy");
    }

    private static JsonElement Object(JsonElement element, string what) =>
        element.ValueKind == JsonValueKind.Object ? element : throw new JsonException($"{what} is no object");

    private static T Word<T>(JsonProperty property)
        where T : struct, Enum
    {
        string? word = property.Value.ValueKind == JsonValueKind.String ? property.Value.GetString() : null;
        foreach (T value in Enum.GetValues<T>())
        {
            if (QemuObjects.Word(value) == word)
            {
                return value;
            }
        }

        throw new JsonException($"'{property.Name}' is one of {string.Join(", ", Enum.GetValues<T>().Select(value => QemuObjects.Word(value)))}");
    }

    private static JsonException Unknown(JsonProperty property) => new($"'{property.Name}' is unknown or has a value of the wrong kind");

    private static bool Matches(AuthzRule rule, string identity) =>
        rule.Format == AuthzFormat.Glob ? Glob.Matches(rule.Match, identity) : rule.Match == identity;
}
