namespace VmCrypt.Core.Tests.Architecture;

public sealed class NpgsqlTests
{
    [Fact]
    public void Only_the_room_of_the_database_names_it() =>
        Assert.Equal(
            ["Database"],
            Directory.EnumerateFiles(Path.Combine(Repository.Root, "src", "VmCrypt.Core"), "*.cs", SearchOption.AllDirectories)
                .Where(file => File.ReadAllText(file).Contains("using Npgsql", StringComparison.Ordinal))
                .Select(file => Path.GetFileName(Path.GetDirectoryName(file)))
                .Distinct());
}
