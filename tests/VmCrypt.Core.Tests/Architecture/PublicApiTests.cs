using System.Reflection;
using System.Text;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Architecture;

/// <summary>What scripts can call of the engine; a change is a visible line in PublicApi.txt.</summary>
public sealed class PublicApiTests
{
    [Fact]
    public void The_public_surface_is_the_approved_one() =>
        Approved.Verify("tests/VmCrypt.Core.Tests/Architecture/PublicApi.txt", Surface());

    private static string Surface()
    {
        var text = new StringBuilder();
        foreach (Type type in typeof(VmCryptException).Assembly.GetExportedTypes().OrderBy(type => type.FullName, StringComparer.Ordinal))
        {
            text.Append($"{Kind(type)} {type.FullName}\n");
            const BindingFlags Declared = BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
            foreach (string member in type.GetMembers(Declared).Where(IsOfInterest).Select(Describe).Distinct().Order(StringComparer.Ordinal))
            {
                text.Append($"    {member}\n");
            }
        }

        return text.ToString();
    }

    private static string Kind(Type type) =>
        type.IsEnum ? "enum" : type.IsValueType ? "struct" : type.IsInterface ? "interface"
        : type is { IsAbstract: true, IsSealed: true } ? "static class" : type.IsAbstract ? "abstract class" : "class";

    // Accessors belong to their properties; what records and enums bring along by themselves says nothing.
    private static bool IsOfInterest(MemberInfo member) => member switch
    {
        MethodInfo method => !method.IsSpecialName && method.Name is not ("Equals" or "GetHashCode" or "ToString" or "<Clone>$" or "Deconstruct"),
        FieldInfo field => !field.IsSpecialName,
        PropertyInfo property => property.Name != "EqualityContract",
        _ => true,
    };

    private static string Describe(MemberInfo member) => member switch
    {
        MethodInfo method => $"{Name(method.ReturnType)} {method.Name}({Parameters(method)})",
        ConstructorInfo constructor => $"new({Parameters(constructor)})",
        PropertyInfo property => $"{Name(property.PropertyType)} {property.Name}",
        FieldInfo field => $"{Name(field.FieldType)} {field.Name}",
        _ => $"{member.MemberType} {member.Name}",
    };

    private static string Parameters(MethodBase method) =>
        string.Join(", ", method.GetParameters().Select(parameter => $"{Name(parameter.ParameterType)} {parameter.Name}"));

    private static string Name(Type type) => type.IsGenericType
        ? $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>"
        : type.Name;
}
