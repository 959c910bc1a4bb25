using System.Globalization;
using System.Text;
using System.Text.Json;

namespace VmCrypt.Core.Wipe.Certificates;

/// <summary>The one byte sequence that stands for a JSON value, for signing: RFC 8785, with numbers limited to integers.</summary>
/// <remarks>
/// UTF-8 without blanks; members in the order of the UTF-16 code units of their names; of strings only the quotation mark, the
/// backslash and control characters are escaped, shortest form first (<c>\n</c>, <c>\u001f</c>); integers in full, whatever their size.
/// So <c>json.dumps(value, sort_keys=True, separators=(',', ':'), ensure_ascii=False)</c> of Python makes the same bytes.
/// </remarks>
internal static class CanonicalJson
{
    /// <exception cref="FormatException">A number is no integer.</exception>
    public static byte[] Of(JsonElement value)
    {
        var text = new StringBuilder();
        Write(text, value);
        return new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetBytes(text.ToString());
    }

    private static void Write(StringBuilder text, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                WriteList(text, '{', '}', value.EnumerateObject().OrderBy(member => member.Name, StringComparer.Ordinal), member =>
                {
                    WriteString(text, member.Name);
                    text.Append(':');
                    Write(text, member.Value);
                });
                break;
            case JsonValueKind.Array:
                WriteList(text, '[', ']', value.EnumerateArray(), item => Write(text, item));
                break;
            case JsonValueKind.String:
                WriteString(text, value.GetString()!);
                break;
            case JsonValueKind.Number:
                text.Append(value.TryGetInt64(out long number)
                    ? number.ToString(CultureInfo.InvariantCulture)
                    : throw new FormatException($"The number {value.GetRawText()} is no integer."));
                break;
            default:
                text.Append(value.GetRawText());
                break;
        }
    }

    private static void WriteList<T>(StringBuilder text, char open, char close, IEnumerable<T> items, Action<T> write)
    {
        text.Append(open);
        bool first = true;
        foreach (T item in items)
        {
            if (!first)
            {
                text.Append(',');
            }

            first = false;
            write(item);
        }

        text.Append(close);
    }

    private static void WriteString(StringBuilder text, string value)
    {
        text.Append('"');
        foreach (char letter in value)
        {
            _ = letter switch
            {
                '"' => text.Append("\\\""),
                '\\' => text.Append("\\\\"),
                '\b' => text.Append("\\b"),
                '\t' => text.Append("\\t"),
                '\n' => text.Append("\\n"),
                '\f' => text.Append("\\f"),
                '\r' => text.Append("\\r"),
                < ' ' => text.Append(CultureInfo.InvariantCulture, $"\\u{(int)letter:x4}"),
                _ => text.Append(letter),
            };
        }

        text.Append('"');
    }
}
