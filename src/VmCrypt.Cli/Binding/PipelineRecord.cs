using System.Text.Json;
using VmCrypt.Core.Errors;

namespace VmCrypt.Cli.Binding;

/// <summary>One line of standard input: an object that another <c>vmcrypt</c> printed as JSON, or a bare value such as a path.</summary>
internal sealed class PipelineRecord
{
    private readonly string? _value;
    private readonly Dictionary<string, JsonElement> _properties = new(StringComparer.OrdinalIgnoreCase);

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.CannotConvertArgument"/>: the line begins like JSON and is none.</exception>
    public PipelineRecord(string line)
    {
        if (!line.StartsWith('{') && !line.StartsWith('"'))
        {
            _value = line;
            return;
        }

        try
        {
            JsonElement json = JsonSerializer.Deserialize<JsonElement>(line);
            if (json.ValueKind == JsonValueKind.String)
            {
                _value = json.GetString();
                return;
            }

            foreach (JsonProperty property in json.EnumerateObject())
            {
                _properties[property.Name] = property.Value;
            }
        }
        catch (JsonException exception)
        {
            throw new InvalidInputException(ErrorIds.CannotConvertArgument, $"The line '{line}' of standard input is no JSON object.", exception);
        }
    }

    /// <summary>What the record has for a parameter that takes something from the pipeline; null where it has nothing.</summary>
    public IReadOnlyList<string>? ValueFor(CommandParameter parameter)
    {
        if (_value is not null)
        {
            return parameter.Declarations.Any(declaration => declaration.ValueFromPipeline) ? [_value] : null;
        }

        return parameter.Declarations.Any(declaration => declaration.ValueFromPipelineByPropertyName)
            ? _properties.Where(property => parameter.IsNamed(property.Key)).Select(property => Texts(property.Value)).FirstOrDefault()
            : null;
    }

    private static IReadOnlyList<string>? Texts(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => [value.GetString()!],
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => [value.GetRawText()],
        JsonValueKind.Array when value.GetArrayLength() > 0 && value.EnumerateArray().All(element => Texts(element) is { Count: 1 }) =>
            [.. value.EnumerateArray().Select(element => Texts(element)![0])],
        _ => null,
    };
}
