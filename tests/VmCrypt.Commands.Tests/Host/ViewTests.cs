using System.Xml.Linq;
using VmCrypt.Cli.Output;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Architecture;

namespace VmCrypt.Commands.Tests.Host;

/// <summary>Holds VmCrypt.Format.ps1xml against the types that it shows.</summary>
public sealed class ViewTests
{
    private static readonly XDocument s_file = XDocument.Load(Path.Combine(Repository.Root, "module", "VmCrypt.Format.ps1xml"));

    public static TheoryData<string> TypeNames() => [.. s_file.Descendants("TypeName").Select(name => name.Value).Distinct()];

    [Theory]
    [MemberData(nameof(TypeNames))]
    public void Every_view_is_of_a_type_that_exists_and_vmcrypt_can_read_it(string typeName)
    {
        Type type = Find(typeName);

        Assert.Equal(typeName, FormatViews.For(type, list: false).TypeName);
        Assert.NotEmpty(FormatViews.For(type, list: true).Entries);
    }

    [Fact]
    public void Every_property_exists() => Assert.All(s_file.Descendants("View"), view =>
    {
        Type type = Find(view.Descendants("TypeName").Single().Value);
        IEnumerable<string> properties = view.Descendants("PropertyName").Select(name => name.Value)
            .Concat(view.Descendants("ScriptBlock").Select(script => script.Value.Split("$_.")[1].TrimEnd(')')));
        Assert.All(properties, property => Assert.NotNull(type.GetProperty(property)));
    });

    private static Type Find(string name) =>
        typeof(VmCryptCmdlet).Assembly.GetType(name) ?? typeof(ImageDescription).Assembly.GetType(name)
        ?? throw new InvalidOperationException($"The type {name} of a view does not exist.");
}
