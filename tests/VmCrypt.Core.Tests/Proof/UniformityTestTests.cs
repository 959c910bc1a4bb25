using VmCrypt.Core.Proof.Content;

namespace VmCrypt.Core.Tests.Proof;

public sealed class UniformityTestTests
{
    [Theory]
    [InlineData(512, 2)]
    [InlineData(512, 6)]
    [InlineData(4096, 2)]
    [InlineData(4096, 6)]
    [InlineData(65536, 4)]
    public void Ciphertext_fails_at_most_as_often_as_is_said(int bytes, int bits)
    {
        int blocks = (64 << 20) / Math.Max(bytes, 4096);
        double limit = UniformityTest.ChiSquareLimit(bytes, bits);
        byte[] ciphertext = Ciphertext.Of(blocks * bytes);

        int failed = 0;
        for (int block = 0; block < blocks; block++)
        {
            failed += ChiSquare(ciphertext.AsSpan(block * bytes, bytes)) >= limit ? 1 : 0;
        }

        Assert.InRange(failed, 0, blocks / (double)(1 << bits));
    }

    [Fact]
    public void A_disk_of_ciphertext_has_no_block_that_fails()
    {
        var judge = new BlockJudge();
        for (int seed = 0; seed < 16; seed++)
        {
            byte[] ciphertext = Ciphertext.Of(16 << 20, seed);
            for (int at = 0; at < ciphertext.Length; at += BlockJudge.BlockSize)
            {
                BlockVerdict verdict = judge.Judge(ciphertext.AsSpan(at, BlockJudge.BlockSize));
                Assert.Equal((0, null), (verdict.Zeros, verdict.Flaw));
                Assert.InRange(verdict.Entropy, 7.8, 7.95);
            }
        }
    }

    // Tables of the chi-square distribution with 255 degrees of freedom: 330.5 is exceeded once in 1000. The bound is wider, but not much.
    [Theory]
    [InlineData(4096, 10, 330, 460)]
    [InlineData(4096, 64, 480, 720)]
    [InlineData(512, 64, 480, 1100)]
    [InlineData(1 << 20, 64, 480, 640)]
    public void The_limit_is_near_that_of_the_tables(int bytes, int bits, double least, double most) =>
        Assert.InRange(UniformityTest.ChiSquareLimit(bytes, bits), least, most);

    [Theory]
    [InlineData(512)]
    [InlineData(1024)]
    [InlineData(4096)]
    public void A_sector_of_text_among_ciphertext_is_seen(int length)
    {
        byte[] block = Ciphertext.Of(4096);
        Text(length).CopyTo(block.AsSpan(4096 - length));

        Assert.NotNull(new BlockJudge().Judge(block).Flaw);
    }

    [Fact]
    public void Base64_of_ciphertext_is_no_ciphertext() => Assert.Equal(
        VmCrypt.Core.Proof.FindingKind.Text,
        new BlockJudge().Judge(System.Text.Encoding.ASCII.GetBytes(Convert.ToBase64String(Ciphertext.Of(3072)))).Flaw);

    internal static byte[] Text(int length)
    {
        const string sentence = "Two of a trade seldom agree; a stitch in time saves nine, and what is written stays. ";
        return [.. Enumerable.Range(0, length).Select(at => (byte)sentence[at * 7 % sentence.Length])];
    }

    private static double ChiSquare(ReadOnlySpan<byte> block)
    {
        long[] counts = new long[256];
        foreach (byte value in block)
        {
            counts[value]++;
        }

        return UniformityTest.ChiSquare(counts.Sum(count => count * count), block.Length);
    }
}
