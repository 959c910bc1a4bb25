using System.Security.Cryptography;
using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Tests.Crypto;

public sealed class AntiForensicTests
{
    public static TheoryData<HashKind, int> Sizes
    {
        get
        {
            var data = new TheoryData<HashKind, int>();
            foreach (HashKind hash in Enum.GetValues<HashKind>())
            {
                foreach (int keySize in (int[])[16, 24, 32, 48, 64, 100])
                {
                    data.Add(hash, keySize);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Merges_what_it_split(HashKind hash, int keySize)
    {
        byte[] key = Vectors.Random(keySize);
        byte[] material = new byte[keySize * 40];
        AntiForensic.Split(hash, key, material, 40);

        byte[] merged = new byte[keySize];
        AntiForensic.Merge(hash, material, merged, 40);
        Assert.Equal(key, merged);

        material[7] ^= 1;
        AntiForensic.Merge(hash, material, merged, 40);
        Assert.NotEqual(key, merged);
    }

    // Stripes made of a counter, so that the expected key comes from the definition by other means.
    [Theory]
    [InlineData(HashKind.Sha1, 32)]
    [InlineData(HashKind.Sha256, 64)]
    [InlineData(HashKind.Sha512, 64)]
    public void Merges_as_the_specification_says(HashKind hash, int keySize)
    {
        byte[] material = [.. Enumerable.Range(0, keySize * 5).Select(i => (byte)(i * 7))];
        byte[] state = new byte[keySize];
        for (int stripe = 0; stripe < 5; stripe++)
        {
            for (int i = 0; i < keySize; i++)
            {
                state[i] ^= material[(stripe * keySize) + i];
            }

            if (stripe < 4)
            {
                state = Diffuse(hash, state);
            }
        }

        byte[] merged = new byte[keySize];
        AntiForensic.Merge(hash, material, merged, 5);
        Assert.Equal(state, merged);
    }

    private static byte[] Diffuse(HashKind hash, byte[] state)
    {
        var diffused = new List<byte>();
        foreach (byte[] block in state.Chunk(Digest.SizeOf(hash)))
        {
            byte[] input = [0, 0, 0, (byte)(diffused.Count / Digest.SizeOf(hash)), .. block];
            byte[] digest = hash switch
            {
                HashKind.Sha1 => SHA1.HashData(input),
                HashKind.Sha256 => SHA256.HashData(input),
                _ => SHA512.HashData(input),
            };
            diffused.AddRange(digest.Take(block.Length));
        }

        return [.. diffused];
    }
}
