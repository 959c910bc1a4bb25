using System.Collections;
using System.Globalization;
using System.Management.Automation;
using System.Reflection;
using System.Security;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;

namespace VmCrypt.Cli.Binding;

/// <summary>Makes a parameter's value of the text that stands on the command line.</summary>
internal static class ArgumentConverter
{
    /// <exception cref="InvalidInputException">The text is not of the type, or the parameter does not allow the value.</exception>
    public static object Convert(CommandParameter parameter, IReadOnlyList<string> texts)
    {
        object value = parameter.IsArray ? ConvertArray(parameter, texts) : ConvertOne(parameter, texts[0]);
        foreach (ValidateArgumentsAttribute validation in parameter.Property.GetCustomAttributes<ValidateArgumentsAttribute>())
        {
            if (validation.Fault(value) is { } fault)
            {
                throw new InvalidInputException(ErrorIds.ParameterArgumentValidationError, $"-{parameter.Name} {fault}.");
            }
        }

        return value;
    }

    private static Array ConvertArray(CommandParameter parameter, IReadOnlyList<string> texts)
    {
        var array = Array.CreateInstance(parameter.ElementType, texts.Count);
        for (int i = 0; i < texts.Count; i++)
        {
            array.SetValue(ConvertOne(parameter, texts[i]), i);
        }

        return array;
    }

    private static object ConvertOne(CommandParameter parameter, string text)
    {
        object input = text;
        foreach (ArgumentTransformationAttribute transformation in parameter.Property.GetCustomAttributes<ArgumentTransformationAttribute>())
        {
            input = transformation.Transform(new EngineIntrinsics(), input);
        }

        Type type = parameter.ElementType;
        return (input is string ? FromText(type, text) : System.Convert.ChangeType(input, type, CultureInfo.InvariantCulture))
            ?? throw new InvalidInputException(ErrorIds.CannotConvertArgument, $"-{parameter.Name} is '{text}', which is no {Describe(type)}.");
    }

    private static object? FromText(Type type, string text) => type switch
    {
        _ when type == typeof(string) => text,
        _ when type == typeof(SwitchParameter) => FromBoolean(text) is { } on ? new SwitchParameter(on) : null,
        _ when type == typeof(bool) => FromBoolean(text),
        _ when type == typeof(SecureString) => SecretArgument.Read(text),
        _ when type == typeof(PSCredential) => new PSCredential(string.Empty, SecretArgument.Read(text)),
        _ when type == typeof(Hashtable) => FromPairs(text),
        _ when type == typeof(Guid) => Guid.TryParse(text, out Guid guid) ? guid : null,
        _ when type == typeof(DateTime) =>
            DateTime.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out DateTime time) ? time : null,
        _ when type.IsEnum => FromName(type, text),
        _ when type.IsPrimitive => FromNumber(type, text),
        _ => throw new NotSupportedException($"A parameter of type {type} cannot be given on a command line."),
    };

    // name=secret, name=secret: the one kind of table that our commands take.
    private static Hashtable? FromPairs(string text)
    {
        var table = new Hashtable(StringComparer.Ordinal);
        foreach (string pair in ArgumentParser.SplitAtCommas(text))
        {
            if (pair.Split('=', 2) is not [{ Length: > 0 } name, var source])
            {
                return null;
            }

            table[name] = SecretArgument.Read(source);
        }

        return table;
    }

    private static bool? FromBoolean(string text) => text.TrimStart('$').ToUpperInvariant() switch
    {
        "TRUE" or "1" => true,
        "FALSE" or "0" => false,
        _ => null,
    };

    // As in PowerShell: any case, and a beginning that fits one name alone; never a bare number.
    private static object? FromName(Type type, string text)
    {
        string[] names = Enum.GetNames(type);
        string[] fitting = names.Contains(text, StringComparer.OrdinalIgnoreCase)
            ? [text]
            : [.. names.Where(name => text.Length > 0 && name.StartsWith(text, StringComparison.OrdinalIgnoreCase))];
        return fitting.Length == 1 ? Enum.Parse(type, fitting[0], ignoreCase: true) : null;
    }

    // PowerShell's number literals have units whatever the parameter is.
    private static object? FromNumber(Type type, string text)
    {
        try
        {
            return ByteSize.TryParse(text, out long whole)
                ? System.Convert.ChangeType(whole, type, CultureInfo.InvariantCulture)
                : System.Convert.ChangeType(text, type, CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is FormatException or OverflowException)
        {
            return null;
        }
    }

    private static string Describe(Type type) => type switch
    {
        { IsEnum: true } => $"one of {string.Join(", ", Enum.GetNames(type))}",
        _ when type == typeof(Hashtable) => "list of name=file:PATH pairs",
        _ when type == typeof(DateTime) => "date",
        _ when type == typeof(Guid) => "UUID",
        _ when type == typeof(bool) || type == typeof(SwitchParameter) => "$true or $false",
        _ => "number in the range of its parameter",
    };
}
