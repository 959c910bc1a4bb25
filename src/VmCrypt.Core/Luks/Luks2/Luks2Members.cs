using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>Reads the members of one object of the metadata, or says which one is wrong.</summary>
/// <param name="json">The object.</param>
/// <param name="name">What it is, for people: <c>Key slot 3</c>.</param>
/// <param name="errorId">What is thrown when a member is not as it must be.</param>
internal sealed class Luks2Members(JsonObject json, string name, string errorId)
{
    private const int LongestShown = 60;

    public JsonObject Json => json;

    public bool Has(string member) => json.ContainsKey(member);

    /// <summary>A text that is not empty.</summary>
    public string Text(string member) => Value(member, out string text) && text.Length > 0
        ? text
        : throw Invalid(member, "a text that is not empty");

    public uint UInt32(string member) => json[member] is JsonValue value && value.TryGetValue(out long number) && number is >= 0 and <= uint.MaxValue
        ? (uint)number
        : throw Invalid(member, "a whole number of 32 bits");

    /// <summary>A number of 64 bits, which JSON cannot hold and LUKS2 therefore writes as a text of digits.</summary>
    public ulong UInt64(string member) =>
        Value(member, out string text) && ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number)
            ? number
            : throw Invalid(member, "a number of 64 bits written as a text of digits");

    public byte[] Base64(string member)
    {
        string text = Text(member);
        byte[] bytes = new byte[text.Length];
        return Convert.TryFromBase64String(text, bytes, out int length) ? bytes[..length] : throw Invalid(member, "bytes in base64");
    }

    public Luks2Members Object(string member) => json[member] is JsonObject inner
        ? new Luks2Members(inner, $"{name}, {member}", errorId)
        : throw Invalid(member, "an object");

    /// <summary>Texts in an array; none where there is no such member.</summary>
    public ImmutableArray<string> Texts(string member)
    {
        if (!Has(member))
        {
            return [];
        }

        return json[member] is JsonArray array && array.All(item => item is JsonValue value && value.TryGetValue<string>(out _))
            ? [.. array.Select(item => item!.GetValue<string>())]
            : throw Invalid(member, "an array of texts");
    }

    /// <summary>Names of other objects in an array that must be there.</summary>
    public ImmutableArray<int> Numbers(string member)
    {
        if (json[member] is not JsonArray)
        {
            throw Invalid(member, "an array of texts");
        }

        return [.. Texts(member).Select(text => ObjectNumber(text) ?? throw Invalid(member, "an array of numbers written as texts"))];
    }

    public InvalidImageException Invalid(string member, string expected)
    {
        string found = json[member]?.ToJsonString() ?? "nothing";
        return new InvalidImageException(errorId,
            $"{name} of the LUKS2 metadata has {Shorten(found)} as its '{member}', but must have {expected}.");
    }

    /// <summary>The number that names an object; null where the text is no plain decimal number or too large.</summary>
    public static int? ObjectNumber(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && Name(number) == text ? number : null;

    public static string Name(int number) => number.ToString(CultureInfo.InvariantCulture);

    private bool Value(string member, out string text)
    {
        text = string.Empty;
        return json[member] is JsonValue value && value.TryGetValue(out text!);
    }

    private static string Shorten(string text) => text.Length <= LongestShown ? text : text[..LongestShown] + "…";
}
