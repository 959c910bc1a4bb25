using System.Security.Cryptography;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Wipe.Patterns;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Interop.Tests.Wipe;

/// <summary>The same sequences and the same bytes as the tools that the standards are named after.</summary>
public sealed class WipePeerTests : IDisposable
{
    private readonly WipeLab _lab = new();

    public void Dispose() => _lab.Dispose();

    [Theory]
    [InlineData("nnsa", "NNSA")]
    [InlineData("dod", "DoD-scrub")]
    [InlineData("bsi", "BSI")]
    [InlineData("usarmy", "USArmy")]
    [InlineData("random", "Random")]
    [InlineData("random2", "Random2")]
    [InlineData("schneier", "Schneier-scrub")]
    [InlineData("pfitzner7", "NSA7")]
    [InlineData("pfitzner33", "Pfitzner33")]
    [InlineData("gutmann", "Gutmann")]
    [InlineData("fastold", "Scrub-fastold")]
    [InlineData("old", "Scrub-old")]
    [InlineData("fillzero", "Zero")]
    [InlineData("fillff", "One")]
    public async Task Scrub_names_the_same_passes_and_leaves_the_same_bytes(string method, string standard)
    {
        string theirs = WipeLab.WriteThrough(_lab["theirs.img"], WipeLab.Noise(98_304));
        string ours = WipeLab.WriteThrough(_lab["ours.img"], WipeLab.Noise(98_304));

        // "scrub: 0x924924|................................................|"
        string[] passes = [.. Tools.Run("scrub", "-S", "-f", "-p", method, theirs).Split('\n')
            .Where(line => line.Contains('|', StringComparison.Ordinal) && !line.Contains("verify", StringComparison.Ordinal))
            .Select(line => line["scrub: ".Length..line.IndexOf('|', StringComparison.Ordinal)].Trim())];
        await _lab.WipeAsync(ours, standard);

        WipeStandard known = WipeStandards.BuiltIn[standard];
        Assert.Equal(passes, known.Passes.Select(pass => pass.ToString()), StringComparer.OrdinalIgnoreCase);
        if (known.Passes[^1].Kind == WipePassKind.Pattern)
        {
            Assert.Equal(0, Tools.TryRun("cmp", theirs, ours).ExitCode);
        }
    }

    [Fact]
    public void OpenSSL_recomputes_the_random_stream()
    {
        byte[] key = RandomNumberGenerator.GetBytes(KeystreamContent.KeySize);
        const int blocks = 5000;
        byte[] counters = new byte[16 * blocks];
        for (int i = 0; i < blocks; i++)
        {
            BitConverter.TryWriteBytes(counters.AsSpan(16 * i), (long)i);
        }

        File.WriteAllBytes(_lab["counters"], counters);
        Tools.Run("openssl", "enc", "-aes-128-ecb", "-nopad", "-K", Convert.ToHexString(key), "-in", _lab["counters"], "-out", _lab["stream"]);

        using var content = new KeystreamContent(SecretBuffer.CopyOf(key), complement: false);
        byte[] ours = new byte[counters.Length];
        content.Fill(0, ours);
        Assert.Equal(File.ReadAllBytes(_lab["stream"]), ours);
    }
}
