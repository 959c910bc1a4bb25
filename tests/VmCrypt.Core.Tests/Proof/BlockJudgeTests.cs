using System.Security.Cryptography;
using VmCrypt.Core.Proof;
using VmCrypt.Core.Proof.Content;

namespace VmCrypt.Core.Tests.Proof;

public sealed class BlockJudgeTests
{
    public static TheoryData<string> SignatureNames => [.. Signatures.All.Select(signature => signature.Name).Distinct()];

    [Theory]
    [InlineData(4096)]
    [InlineData(4095)]
    [InlineData(512)]
    [InlineData(17)]
    [InlineData(1)]
    public void Counts_are_right(int length)
    {
        byte[] bytes = [.. Ciphertext.Of(length).Select(value => (byte)(value * value))];
        var counts = new ByteCounts();
        counts.Clear();
        counts.Add(bytes);

        long squares = counts.SumOfSquares();

        uint[] expected = [.. Enumerable.Range(0, 256).Select(value => (uint)bytes.Count(other => other == value))];
        Assert.Equal(expected, counts.Totals.ToArray());
        Assert.Equal(expected.Sum(count => (long)count * count), squares);
    }

    [Fact]
    public void Counts_of_one_value_do_not_overflow()
    {
        var counts = new ByteCounts();
        counts.Clear();
        counts.Add(new byte[4096]);

        Assert.Equal(4096L * 4096, counts.SumOfSquares());
    }

    [Theory]
    [MemberData(nameof(SignatureNames))]
    public void A_signature_is_named(string name)
    {
        foreach (Signature signature in Signatures.All.Where(signature => signature.Name == name))
        {
            byte[] block = new byte[4096];
            block.AsSpan(0, 1024).Fill(0x33);
            block.AsSpan(4000).Fill(0x33);
            signature.Magic.CopyTo(block, signature.Offset);

            BlockVerdict verdict = new BlockJudge().Judge(block);

            Assert.Equal((FindingKind.Signature, name), (verdict.Flaw, verdict.Name));
        }
    }

    [Theory]
    [MemberData(nameof(SignatureNames))]
    public void Among_ciphertext_only_a_long_signature_counts(string name)
    {
        foreach (Signature signature in Signatures.All.Where(signature => signature.Name == name))
        {
            byte[] block = Ciphertext.Of(4096);
            signature.Magic.CopyTo(block, signature.Offset);

            Assert.Equal(signature.Magic.Length >= 8 ? FindingKind.Signature : null, new BlockJudge().Judge(block).Flaw);
        }
    }

    [Theory]
    [InlineData(0, 16)]
    [InlineData(16, 4080)]
    [InlineData(2048, 2064)]
    public void One_repeated_cipher_block_is_seen(int first, int second)
    {
        byte[] block = Ciphertext.Of(4096);
        block.AsSpan(first, 16).CopyTo(block.AsSpan(second));

        Assert.Equal(FindingKind.RepeatedBlocks, new BlockJudge().Judge(block).Flaw);
    }

    [Fact]
    public void Half_a_cipher_block_may_repeat()
    {
        byte[] block = Ciphertext.Of(4096);
        block.AsSpan(0, 8).CopyTo(block.AsSpan(512));

        Assert.Null(new BlockJudge().Judge(block).Flaw);
    }

    [Theory]
    [InlineData(4096, 0)]
    [InlineData(2048, 1)]
    [InlineData(1000, 2)]
    public void Zeros_under_ECB_repeat(int zeros, int seed)
    {
        byte[] plain = Ciphertext.Of(4096, seed);
        plain.AsSpan(0, zeros).Clear();
        using var aes = Aes.Create();
        aes.Key = Ciphertext.Of(32, 9);

        Assert.Equal(FindingKind.RepeatedBlocks, new BlockJudge().Judge(aes.EncryptEcb(plain, PaddingMode.None)).Flaw);
    }

    [Theory]
    [InlineData(0x00, null, 4096)]
    [InlineData(0xFF, FindingKind.LowEntropy, 0)]
    [InlineData(0x20, FindingKind.Text, 0)]
    public void A_block_of_one_value(int value, FindingKind? flaw, int zeros)
    {
        byte[] block = new byte[4096];
        block.AsSpan().Fill((byte)value);

        BlockVerdict verdict = new BlockJudge().Judge(block);

        Assert.Equal((flaw, zeros), (verdict.Flaw, verdict.Zeros));
    }

    [Theory]
    [InlineData(0, 512)]
    [InlineData(512, 3584)]
    [InlineData(1024, 1024)]
    public void Sectors_of_zeros_are_left_out(int from, int length)
    {
        byte[] block = Ciphertext.Of(4096);
        block.AsSpan(from, length).Clear();

        BlockVerdict verdict = new BlockJudge().Judge(block);

        Assert.Equal((null, length), (verdict.Flaw, verdict.Zeros));
    }

    [Fact]
    public void Zeros_that_are_no_sector_are_content()
    {
        byte[] block = Ciphertext.Of(4096);
        block.AsSpan(100, 600).Clear();

        Assert.NotNull(new BlockJudge().Judge(block).Flaw);
    }
}
