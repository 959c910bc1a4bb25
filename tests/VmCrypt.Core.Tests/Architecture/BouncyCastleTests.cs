namespace VmCrypt.Core.Tests.Architecture;

public sealed class BouncyCastleTests
{
    [Fact]
    public void Only_old_ciphers_and_TLS_with_shared_keys_name_it() =>
        Assert.Equal(
            ["LegacyCiphers.cs", "PskCipher.cs", "PskTls.cs"],
            Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs", SearchOption.AllDirectories)
                .Where(file => File.ReadAllText(file).Contains("Org.BouncyCastle", StringComparison.Ordinal))
                .Select(Path.GetFileName).Order(StringComparer.Ordinal));
}
