namespace VmCrypt.Core.Tests.Architecture;

public sealed class BouncyCastleTests
{
    [Fact]
    public void Only_LegacyCiphers_names_it() =>
        Assert.Equal(
            ["LegacyCiphers.cs"],
            Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories)
                .Where(file => File.ReadAllText(file).Contains("Org.BouncyCastle", StringComparison.Ordinal))
                .Select(Path.GetFileName));
}
