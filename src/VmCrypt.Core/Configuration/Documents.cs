using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Configuration;

/// <summary>Reads JSON documents of the host's state, wherever they lie.</summary>
internal static class Documents
{
    /// <param name="name">For people.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.ConfigurationInvalid"/>.</exception>
    public static T Parse<T>(ReadOnlySpan<byte> text, string name, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            ReadOnlySpan<byte> json = text.StartsWith(Encoding.UTF8.Preamble) ? text[Encoding.UTF8.Preamble.Length..] : text;
            RefuseNullItems(json);
            return JsonSerializer.Deserialize(json, type)
                ?? throw new InvalidInputException(ErrorIds.ConfigurationInvalid, $"'{name}' holds the JSON value null.");
        }
        catch (JsonException fault)
        {
            throw new InvalidInputException(ErrorIds.ConfigurationInvalid, $"'{name}' is no valid document: {fault.Message}", fault);
        }
    }

    // The strict reader keeps null out of members that must not have it, but not out of lists.
    private static void RefuseNullItems(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        var inList = new Stack<bool>();
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.StartArray or JsonTokenType.StartObject:
                    inList.Push(reader.TokenType == JsonTokenType.StartArray);
                    break;
                case JsonTokenType.EndArray or JsonTokenType.EndObject:
                    inList.Pop();
                    break;
                case JsonTokenType.Null when inList.TryPeek(out bool isItem) && isItem:
                    throw new JsonException($"an item of a list is null, at byte {reader.TokenStartIndex}.");
            }
        }
    }
}
