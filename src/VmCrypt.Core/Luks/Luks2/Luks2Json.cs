using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>The JSON area: text from its first byte on, then NULs to its end.</summary>
/// <remarks>
/// Stricter than json-c as cryptsetup uses it: no comments, no names given twice, no bytes that are not UTF-8. No tool writes such.
/// The text is walked through without allocating before a tree is made of it, and its size is that of the area, at most 4 MiB.
/// </remarks>
internal static class Luks2Json
{
    /// <summary>The depth at which json-c gives up.</summary>
    public const int MaxDepth = 32;

    /// <summary>Values and names; a header with 32 slots and tokens has some two thousand.</summary>
    public const int MaxJsonTokens = 50_000;

    private static readonly JsonDocumentOptions s_reading = new() { MaxDepth = MaxDepth, AllowDuplicateProperties = false };

    // As json-c writes it: '/' and '+' of base64 stay what they are.
    private static readonly JsonWriterOptions s_writing = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, MaxDepth = MaxDepth };

    /// <summary>Reads the object in a JSON area.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Luks2JsonInvalid"/>, <see cref="ErrorIds.Luks2JsonTailInvalid"/>.</exception>
    public static JsonObject Read(ReadOnlySpan<byte> area)
    {
        int length = Measure(area);
        if (length == area.Length || area[length..].ContainsAnyExcept((byte)0))
        {
            throw new InvalidImageException(ErrorIds.Luks2JsonTailInvalid,
                $"The JSON text of the LUKS2 header ends after {length} bytes, but what follows in its area of {area.Length} bytes is not one or more NULs.");
        }

        return Parse(area[..length]);
    }

    /// <summary>Reads one object that somebody gives us, such as a token.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Luks2JsonInvalid"/>.</exception>
    public static JsonObject Parse(ReadOnlySpan<byte> text)
    {
        try
        {
            RequireText(text);
            return JsonNode.Parse(text, nodeOptions: null, s_reading) as JsonObject ?? throw Invalid("it is something else");
        }
        catch (JsonException fault)
        {
            throw Invalid(fault.Message, fault);
        }
    }

    // A tree decodes its texts when somebody asks for them; by then nobody reckons with bytes that are none, or half a surrogate pair.
    private static void RequireText(ReadOnlySpan<byte> text)
    {
        if (!Utf8.IsValid(text))
        {
            throw Invalid("it is not UTF-8");
        }

        var reader = new Utf8JsonReader(text, new JsonReaderOptions { MaxDepth = MaxDepth });
        while (reader.Read())
        {
            if (reader.ValueIsEscaped)
            {
                try
                {
                    _ = reader.GetString();
                }
                catch (InvalidOperationException fault)
                {
                    throw Invalid(fault.Message, fault);
                }
            }
        }
    }

    public static byte[] ToBytes(JsonNode tree)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, s_writing))
        {
            tree.WriteTo(writer);
        }

        return buffer.WrittenSpan.ToArray();
    }

    // Finds the end of the object without making anything of it.
    private static int Measure(ReadOnlySpan<byte> area)
    {
        if (area.IsEmpty || area[0] != '{')
        {
            throw Invalid("it does not start with '{'");
        }

        try
        {
            var reader = new Utf8JsonReader(area, new JsonReaderOptions { MaxDepth = MaxDepth });
            int tokens = 0;
            do
            {
                reader.Read();
                if (++tokens > MaxJsonTokens)
                {
                    throw Invalid($"it has more than {MaxJsonTokens} values");
                }
            }
            while (reader.TokenType != JsonTokenType.EndObject || reader.CurrentDepth > 0);

            return (int)reader.BytesConsumed;
        }
        catch (JsonException fault)
        {
            throw Invalid(fault.Message, fault);
        }
    }

    private static InvalidImageException Invalid(string reason, Exception? inner = null) =>
        new(ErrorIds.Luks2JsonInvalid, $"The metadata of the LUKS2 header is no JSON object that could be used: {reason.TrimEnd('.')}.", inner);
}
