using System.Text.Json.Nodes;

namespace VmCrypt.Core.Qemu;

/// <summary>QEMU's two spellings of the same options: JSON, and <c>key=value</c> with dots for what is nested and doubled commas.</summary>
internal static class QemuOptions
{
    /// <summary>An object of the pairs that have a value.</summary>
    public static JsonObject Of(params (string Key, JsonNode? Value)[] pairs) =>
        new(pairs.Where(pair => pair.Value is not null).Select(pair => KeyValuePair.Create(pair.Key, pair.Value)));

    public static string ToKeyValues(JsonObject options) => string.Join(',', Pairs(string.Empty, options));

    private static IEnumerable<string> Pairs(string prefix, JsonNode node) => node switch
    {
        JsonObject nested => nested.SelectMany(pair => Pairs(Join(prefix, pair.Key), pair.Value!)),
        JsonArray list => list.SelectMany((item, index) => Pairs(Join(prefix, $"{index}"), item!)),
        _ => [$"{prefix}={Text(node.AsValue()).Replace(",", ",,", StringComparison.Ordinal)}"],
    };

    private static string Join(string prefix, string key) => prefix.Length == 0 ? key : $"{prefix}.{key}";

    private static string Text(JsonValue value) => value.TryGetValue(out bool flag) ? (flag ? "on" : "off") : value.ToString();
}
