using VmCrypt.Core.Errors;

namespace VmCrypt.Cli.Binding;

/// <summary>The command line, taken apart: values by parameter, and what stands there without a name.</summary>
internal sealed record ParsedArguments(
    IReadOnlyDictionary<CommandParameter, IReadOnlyList<string>> Named,
    IReadOnlyList<string> Positional);

/// <summary>Takes arguments apart as PowerShell does: <c>-Name value</c>, <c>-Name:value</c>, <c>-Switch</c>, <c>-N</c> for a unique beginning.</summary>
internal sealed class ArgumentParser(IReadOnlyList<CommandParameter> parameters)
{
    private readonly Dictionary<CommandParameter, IReadOnlyList<string>> _named = [];
    private readonly List<string> _positional = [];

    public ParsedArguments Parse(IReadOnlyList<string> arguments)
    {
        for (int i = 0; i < arguments.Count; i++)
        {
            if (arguments[i] == "--")
            {
                _positional.AddRange(arguments.Skip(i + 1));
                break;
            }

            if (!IsName(arguments[i]))
            {
                _positional.Add(arguments[i]);
                continue;
            }

            string[] parts = arguments[i].TrimStart('-').Split(':', 2);
            CommandParameter parameter = Find(parts[0]);
            string value = parts.Length == 2 ? parts[1]
                : parameter.IsSwitch ? "$true"
                : i + 1 < arguments.Count && !IsName(arguments[i + 1]) ? arguments[++i]
                : throw new InvalidInputException(ErrorIds.MissingArgument, $"-{parameter.Name} must be followed by its value.");
            if (!_named.TryAdd(parameter, parameter.IsArray ? SplitAtCommas(value) : [value]))
            {
                throw new InvalidInputException(ErrorIds.ParameterAlreadyBound, $"-{parameter.Name} is given twice.");
            }
        }

        return new ParsedArguments(_named, _positional);
    }

    /// <summary>A comma separates elements unless a backslash stands before it.</summary>
    public static IReadOnlyList<string> SplitAtCommas(string value)
    {
        var elements = new List<string>();
        int start = 0;
        for (int i = 0; i <= value.Length; i++)
        {
            if (i == value.Length || (value[i] == ',' && (i == 0 || value[i - 1] != '\\')))
            {
                elements.Add(value[start..i].Replace("\\,", ",", StringComparison.Ordinal));
                start = i + 1;
            }
        }

        return elements;
    }

    // "-" alone is a value (standard input), and so is "-5".
    private static bool IsName(string argument) =>
        argument.TrimStart('-') is { Length: > 0 } name && argument[0] == '-' && (char.IsAsciiLetter(name[0]) || name[0] == '?');

    private CommandParameter Find(string name)
    {
        if (parameters.FirstOrDefault(parameter => parameter.IsNamed(name)) is { } exact)
        {
            return exact;
        }

        CommandParameter[] fitting = [.. parameters.Where(parameter => parameter.BeginsWith(name))];
        return fitting.Length switch
        {
            1 => fitting[0],
            0 => throw new InvalidInputException(ErrorIds.NamedParameterNotFound, $"The command has no parameter -{name}."),
            _ => throw new InvalidInputException(ErrorIds.AmbiguousParameter,
                $"-{name} may mean {string.Join(", ", fitting.Select(parameter => "-" + parameter.Name))}."),
        };
    }
}
