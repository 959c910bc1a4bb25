using System.Collections;
using System.Text.RegularExpressions;

namespace System.Management.Automation;

/// <summary>Says of an argument what is wrong with it.</summary>
[AttributeUsage(AttributeTargets.Property)]
public abstract class ValidateArgumentsAttribute : Attribute
{
    /// <summary>What is wrong with <paramref name="value"/>, as the end of a sentence; null when nothing is.</summary>
    internal abstract string? Fault(object? value);
}

/// <summary>Looks at every element of an array on its own.</summary>
public abstract class ValidateEnumeratedArgumentsAttribute : ValidateArgumentsAttribute
{
    internal sealed override string? Fault(object? value) => value is IEnumerable elements and not string
        ? elements.Cast<object?>().Select(ElementFault).FirstOrDefault(fault => fault is not null)
        : ElementFault(value);

    private protected abstract string? ElementFault(object? element);
}

public sealed class ValidateNotNullOrEmptyAttribute : ValidateArgumentsAttribute
{
    internal override string? Fault(object? value) => value switch
    {
        null or "" or ICollection { Count: 0 } => "must not be empty",
        ICollection elements when elements.Cast<object?>().Any(element => element is null or "") => "must not hold an empty one",
        _ => null,
    };
}

public sealed class ValidateRangeAttribute(object minRange, object maxRange) : ValidateEnumeratedArgumentsAttribute
{
    public object MinRange { get; } = minRange;

    public object MaxRange { get; } = maxRange;

    private protected override string? ElementFault(object? element)
    {
        decimal value = Convert.ToDecimal(element);
        return value < Convert.ToDecimal(MinRange) || value > Convert.ToDecimal(MaxRange)
            ? $"is {element}, and must lie between {MinRange} and {MaxRange}"
            : null;
    }
}

public sealed class ValidateSetAttribute(params string[] validValues) : ValidateEnumeratedArgumentsAttribute
{
    public IList<string> ValidValues { get; } = validValues;

    private protected override string? ElementFault(object? element) =>
        ValidValues.Contains(element?.ToString() ?? string.Empty, StringComparer.OrdinalIgnoreCase)
            ? null
            : $"is '{element}', and must be one of {string.Join(", ", ValidValues)}";
}

public sealed class ValidatePatternAttribute(string regexPattern) : ValidateEnumeratedArgumentsAttribute
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(1);

    public string RegexPattern { get; } = regexPattern;

    private protected override string? ElementFault(object? element) =>
        Regex.IsMatch(element?.ToString() ?? string.Empty, RegexPattern, RegexOptions.IgnoreCase, s_limit)
            ? null
            : $"is '{element}', and must match {RegexPattern}";
}
