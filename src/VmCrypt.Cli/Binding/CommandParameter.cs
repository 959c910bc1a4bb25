using System.Management.Automation;
using System.Reflection;
using VmCrypt.Commands.Host;

namespace VmCrypt.Cli.Binding;

/// <summary>One parameter of a command, as its attributes declare it.</summary>
internal sealed class CommandParameter
{
    private readonly ParameterAttribute[] _declarations;

    private CommandParameter(PropertyInfo property, ParameterAttribute[] declarations)
    {
        Property = property;
        _declarations = declarations;
        Aliases = [.. property.GetCustomAttribute<AliasAttribute>()?.AliasNames ?? []];
        ElementType = Unwrap(property.PropertyType.IsArray ? property.PropertyType.GetElementType()! : property.PropertyType);
    }

    public PropertyInfo Property { get; }

    public string Name => Property.Name;

    public IReadOnlyList<string> Aliases { get; }

    public bool IsArray => Property.PropertyType.IsArray;

    /// <summary>The type of one value: of the array's element, without <see cref="Nullable{T}"/>.</summary>
    public Type ElementType { get; }

    public bool IsSwitch => ElementType == typeof(SwitchParameter);

    public bool SupportsWildcards => Property.IsDefined(typeof(SupportsWildcardsAttribute));

    /// <summary>Whether a record of the pipeline may bring the value.</summary>
    public bool TakesRecords => _declarations.Any(declaration => declaration.ValueFromPipeline || declaration.ValueFromPipelineByPropertyName);

    public IReadOnlyList<ParameterAttribute> Declarations => _declarations;

    /// <summary>Sets the value on a command, or on that object of it which declares the parameter.</summary>
    public void SetValue(object command, object? value) => Property.SetValue(OwnerIn(command), value);

    public object? GetValue(object command) => Property.GetValue(OwnerIn(command));

    /// <summary>The parameters that a class declares, in its order.</summary>
    public static IReadOnlyList<CommandParameter> Of(Type type) =>
        [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Select(property => new CommandParameter(property, [.. property.GetCustomAttributes<ParameterAttribute>()]))
            .Where(parameter => parameter._declarations.Length > 0)];

    /// <summary>The objects beside a command that declare parameters of it.</summary>
    public static IReadOnlyList<object> GroupsOf(IDynamicParameters command) =>
        command.GetDynamicParameters() is var shared && shared is ParameterGroups several ? several.Groups : [shared];

    /// <summary>What the parameter is within one set; null where it is no part of it.</summary>
    public ParameterAttribute? In(string parameterSet) => _declarations.FirstOrDefault(
        declaration => declaration.ParameterSetName == parameterSet || declaration.ParameterSetName == ParameterAttribute.AllParameterSets);

    public bool IsNamed(string name) =>
        Name.Equals(name, StringComparison.OrdinalIgnoreCase) || Aliases.Contains(name, StringComparer.OrdinalIgnoreCase);

    public bool BeginsWith(string prefix) =>
        Name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)
        || Aliases.Any(alias => alias.StartsWith(prefix, StringComparison.OrdinalIgnoreCase));

    private object OwnerIn(object command) => Property.DeclaringType!.IsInstanceOfType(command)
        ? command
        : GroupsOf((IDynamicParameters)command).First(Property.DeclaringType.IsInstanceOfType);

    private static Type Unwrap(Type type) => Nullable.GetUnderlyingType(type) ?? type;
}
