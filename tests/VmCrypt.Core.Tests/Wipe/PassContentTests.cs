using System.Security.Cryptography;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Wipe.Patterns;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Core.Tests.Wipe;

public sealed class PassContentTests
{
    public static TheoryData<string> Passes() => ["0x00", "0xFF", "0x924924", "0x0102030405", "random", "byte"];

    [Theory]
    [MemberData(nameof(Passes))]
    public void A_byte_depends_on_its_offset_only(string pass)
    {
        using PassContent content = Open(pass);
        byte[] whole = new byte[300_000];
        content.Fill(0, whole);
        var random = new Random(4);

        for (int i = 0; i < 300; i++)
        {
            int offset = random.Next(whole.Length);
            byte[] part = new byte[random.Next(Math.Min(whole.Length - offset, i < 150 ? 80 : 100_000) + 1)];
            content.Fill(offset, part);
            Assert.True(part.AsSpan().SequenceEqual(whole.AsSpan(offset, part.Length)), $"{pass} at {offset}, {part.Length} bytes");
            Assert.Equal(-1, content.FirstDifference(offset, part));
        }
    }

    [Theory]
    [MemberData(nameof(Passes))]
    public void Finds_the_first_byte_that_differs(string pass)
    {
        using PassContent content = Open(pass);
        byte[] bytes = new byte[150_001];
        content.Fill(7, bytes);

        foreach (int at in new[] { 150_000, 149_999, 65_537, 65_536, 16_385, 4096, 17, 1, 0 })
        {
            bytes[at] ^= 0x10;
            Assert.Equal(at, content.FirstDifference(7, bytes));
        }
    }

    [Fact]
    public void The_stream_is_the_keystream_of_AES_over_block_numbers()
    {
        byte[] key = RandomNumberGenerator.GetBytes(KeystreamContent.KeySize);
        using var content = new KeystreamContent(SecretBuffer.CopyOf(key), complement: false);
        using var aes = Aes.Create();
        aes.SetKey(key);

        foreach (long block in new[] { 0L, 1, 4095, 1L << 40 })
        {
            byte[] counter = [.. BitConverter.GetBytes(block), .. new byte[8]];
            byte[] actual = new byte[16];
            content.Fill(16 * block, actual);
            Assert.Equal(aes.EncryptEcb(counter, PaddingMode.None), actual);
        }
    }

    [Fact]
    public void A_complement_inverts_every_bit_of_what_it_rests_on()
    {
        using PassSequence sequence = Sequence(["random", "~1", "byte", "~3", "~4", "0x0F3C", "~6"]);
        byte[][] written = [.. Enumerable.Range(1, 7).Select(number =>
        {
            using PassContent content = sequence.Open(number);
            byte[] bytes = new byte[1000];
            content.Fill(5, bytes);
            return bytes;
        })];

        Assert.Equal(written[0].Select(value => (byte)~value), written[1]);
        Assert.Equal(written[2].Select(value => (byte)~value), written[3]);
        Assert.Equal(written[2], written[4]);
        Assert.Equal(written[5].Select(value => (byte)~value), written[6]);
        Assert.Equal(
            ["random stream", "complement of the random stream of pass 1", "0x0F3C", "0xF0C3"],
            new[] { 1, 2, 6, 7 }.Select(sequence.Describe));
    }

    [Fact]
    public void One_seed_makes_one_sequence_and_another_makes_another()
    {
        byte[] seed = RandomNumberGenerator.GetBytes(PassSequence.SeedSize);
        WipeStandard standard = WipeStandards.BuiltIn["Gutmann-nwipe"];
        using var first = new PassSequence(standard, SecretBuffer.CopyOf(seed));
        using var again = new PassSequence(standard, SecretBuffer.CopyOf(seed));
        using var other = new PassSequence(standard, SecretBuffer.Random(PassSequence.SeedSize));

        Assert.Equal(Describe(first), Describe(again));
        Assert.NotEqual(Describe(first), Describe(other));
        Assert.Equal(StreamOf(first, 1), StreamOf(again, 1));
        Assert.NotEqual(StreamOf(first, 1), StreamOf(first, 2));
        Assert.NotEqual(StreamOf(first, 1), StreamOf(other, 1));

        // Shuffling changes the order and nothing else.
        using var published = new PassSequence(WipeStandards.BuiltIn["Gutmann"], SecretBuffer.Random(PassSequence.SeedSize));
        Assert.Equal(Describe(published).Order(), Describe(first).Order());
        Assert.NotEqual(Describe(published), Describe(first));
    }

    private static string[] Describe(PassSequence sequence) => [.. Enumerable.Range(1, sequence.Count).Select(sequence.Describe)];

    private static byte[] StreamOf(PassSequence sequence, int number)
    {
        using PassContent content = sequence.Open(number);
        byte[] bytes = new byte[64];
        content.Fill(0, bytes);
        return bytes;
    }

    private static PassContent Open(string pass)
    {
        using PassSequence sequence = Sequence([pass]);
        return sequence.Open(1);
    }

    private static PassSequence Sequence(string[] passes) => new(
        new WipeStandard(new StandardRow { Name = "test", Title = "t", Passes = passes }, builtIn: false),
        SecretBuffer.Random(PassSequence.SeedSize));
}
