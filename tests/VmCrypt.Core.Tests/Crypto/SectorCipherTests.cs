using System.Security.Cryptography;
using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Tests.Crypto;

public sealed class SectorCipherTests
{
    private static readonly string[] s_aesSpecs =
    [
        "aes-xts-plain64", "aes-xts-plain", "aes-xts-plain64be", "aes-xts-essiv:sha256",
        "aes-cbc-plain64", "aes-cbc-plain", "aes-cbc-plain64be", "aes-cbc-essiv:sha256",
        "aes-ctr-plain64", "aes-ecb",
    ];

    private static readonly ulong[] s_sectors = [0, 1, 0xFFFFFFFC, 0xFFFFFFFF_FFFFFFE0, 0x0123456789ABCDEF];

    public static TheoryData<AesPath, string, int> AesMatrix
    {
        get
        {
            var data = new TheoryData<AesPath, string, int>();
            foreach (AesPath path in AesPaths.Available)
            {
                foreach (string spec in s_aesSpecs)
                {
                    data.Add(path, spec, 512);
                    data.Add(path, spec, 1024);
                    data.Add(path, spec, 4096);
                }
            }

            return data;
        }
    }

    // Sector counts around the batches and the widths that the fast paths work in.
    [Theory]
    [MemberData(nameof(AesMatrix))]
    public void Agrees_with_the_textbook(AesPath path, string text, int sectorSize)
    {
        var spec = CipherSpec.Parse(text);
        foreach (int keySize in spec.KeySizes)
        {
            byte[] key = Vectors.Random(keySize);
            using var cipher = SectorCipher.Create(spec, key, sectorSize, path);
            foreach (int count in (int[])[0, 1, 2, 7, 8, 9, 32768 / sectorSize - 1, 32768 / sectorSize, 32768 / sectorSize + 9])
            {
                ulong first = s_sectors[count % s_sectors.Length];
                byte[] plain = Vectors.Random(count * sectorSize);
                byte[] encrypted = Textbook.Encrypt(spec, key, first, sectorSize, plain);
                Assert.Equal(encrypted, Apart(plain, (source, target) => cipher.Encrypt(first, source, target)));
                Assert.Equal(plain, Apart(encrypted, (source, target) => cipher.Decrypt(first, source, target)));
                Assert.Equal(encrypted, InPlace(plain, (source, target) => cipher.Encrypt(first, source, target)));
                Assert.Equal(plain, InPlace(encrypted, (source, target) => cipher.Decrypt(first, source, target)));
            }
        }
    }

    // Sector 0x0123456789ABCDEF of the bytes 00..FF 00..FF under the key 00 01 02 …; SHA-256 of what libgcrypt 1.10 makes of it.
    [Theory]
    [InlineData("serpent-xts-plain64", 32, "16DC5040D1656E0BEA59AA239D3A2A049E3921F9D28EBF4FBF24EAF06485E20E")]
    [InlineData("serpent-cbc-plain64", 16, "F0F901D5DD0CEC8FB2973D301958D702042C2E2420F78E5A1894A7F1DA681858")]
    [InlineData("serpent-cbc-plain64", 24, "87FAEF8BF6305DBC0CC2EDBD715EAFA5B56C36FE3571767CB91C6B8AE6C8BB9C")]
    [InlineData("serpent-ctr-plain64", 24, "EB2D8616827E97FA154823C85C0413775D93261392C92ACB2E4A6B412EBB36FC")]
    [InlineData("serpent-xts-plain64", 64, "8CDB280A4A79060FF7F21714CE4F7E84B1AC47BCDCDEAE9B068B518050CD8AE2")]
    [InlineData("serpent-cbc-plain64", 32, "00AF502A3A413AC76035E33C061CEEECEFE3323E935BE0B8A36778C51B62542E")]
    [InlineData("serpent-ecb", 32, "C461AF2358C60788122088EAE7D7DB7C840C320955B42C0C83101F5737A9E738")]
    [InlineData("twofish-xts-plain64", 32, "F06E2F80E3C90431A3EDBFD44FD6E93A6794BA9017151159B9B673543892A7BA")]
    [InlineData("twofish-cbc-plain64", 16, "3E5C85B7AB5359309C99F7E98DD40F0BAA592D52C379874E337DCC3DFDD6434F")]
    [InlineData("twofish-xts-plain64", 64, "4AF8A35A601820EA526A76139FD43A8187C9DA17405A0382C5C2B4EDCE2CD708")]
    [InlineData("twofish-cbc-plain64", 32, "2BE6E2EC2977EEEE882B23F697F626FA7F70181FF120886048A6463FEABE10FB")]
    [InlineData("twofish-ctr-plain64", 32, "17F40CCE45A5E462EFA2E33783ACC26F4F496971FAD59DA4D93183E2A391B9C1")]
    [InlineData("twofish-ecb", 32, "6DCC8462EBD5FBDFD41C9004E1EC7BEFB0FF535073D32A74C84FDC96423789FC")]
    public void Legacy_ciphers_agree_with_libgcrypt(string text, int keySize, string expected)
    {
        byte[] key = [.. Enumerable.Range(0, keySize).Select(i => (byte)i)];
        byte[] sector = [.. Enumerable.Range(0, 512).Select(i => (byte)i)];
        byte[] plain = [.. sector];
        using var cipher = SectorCipher.Create(CipherSpec.Parse(text), key);

        cipher.Encrypt(0x0123456789ABCDEF, sector, sector);
        Assert.Equal(expected, Convert.ToHexString(SHA256.HashData(sector)));

        cipher.Decrypt(0x0123456789ABCDEF, sector, sector);
        Assert.Equal(plain, sector);
    }

    [Theory]
    [InlineData("twofish-cbc-essiv:sha256", 32)]
    [InlineData("serpent-xts-plain64", 64)]
    [InlineData("cast5-cbc-plain64", 16)]
    [InlineData("cast5-ctr-plain", 16)]
    public void Legacy_ciphers_undo_themselves_over_many_sectors(string text, int keySize)
    {
        using var cipher = SectorCipher.Create(CipherSpec.Parse(text), Vectors.Random(keySize));
        byte[] plain = Vectors.Random(37 * 512);
        byte[] together = new byte[plain.Length];
        cipher.Encrypt(5, plain, together);
        for (int i = 0; i < 37; i++)
        {
            byte[] alone = new byte[512];
            cipher.Encrypt(5 + (ulong)i, plain.AsSpan(i * 512, 512), alone);
            Assert.Equal(alone, together.AsSpan(i * 512, 512));
        }

        cipher.Decrypt(5, together, together);
        Assert.Equal(plain, together);
    }

    [Theory]
    [MemberData(nameof(Vectors.AesPaths), MemberType = typeof(Vectors))]
    public async Task Serves_many_threads_at_once(AesPath path)
    {
        using var cipher = SectorCipher.Create(CipherSpec.Parse("aes-cbc-essiv:sha256"), Vectors.Random(32), 512, path);
        await Parallel.ForAsync(0, 64, TestContext.Current.CancellationToken, (i, _) =>
        {
            byte[] plain = Vectors.Random(40 * 512);
            byte[] bytes = [.. plain];
            cipher.Encrypt((ulong)i, bytes, bytes);
            Assert.NotEqual(plain, bytes);
            cipher.Decrypt((ulong)i, bytes, bytes);
            Assert.Equal(plain, bytes);
            return ValueTask.CompletedTask;
        });
    }

    [Theory]
    [InlineData(511, 512)]
    [InlineData(1024, 512)]
    public void Refuses_parts_of_sectors(int source, int target)
    {
        using var cipher = SectorCipher.Create(CipherSpec.Default, new byte[64]);
        Assert.Throws<ArgumentException>(() => cipher.Encrypt(0, new byte[source], new byte[target]));
        Assert.Throws<ArgumentException>(() => cipher.Decrypt(0, new byte[source], new byte[target]));
    }

    [Theory]
    [MemberData(nameof(Vectors.AesPaths), MemberType = typeof(Vectors))]
    public void Does_not_work_after_it_was_disposed(AesPath path)
    {
        foreach (string spec in s_aesSpecs)
        {
            var parsed = CipherSpec.Parse(spec);
            SectorCipher cipher = SectorCipher.Create(parsed, Vectors.Random(parsed.KeySizes[^1]), 512, path);
            cipher.Dispose();
            Assert.Throws<ObjectDisposedException>(() => cipher.Encrypt(0, new byte[512], new byte[512]));
        }
    }

    // Odd addresses, and a larger target whose other bytes must stay as they were.
    private static byte[] Apart(byte[] input, Action<ReadOnlySpan<byte>, Span<byte>> transform)
    {
        byte[] source = [0, .. input];
        byte[] target = new byte[input.Length + 100];
        Array.Fill(target, (byte)0xA5);
        transform(source.AsSpan(1), target.AsSpan(3));
        Assert.Equal(input, source.AsSpan(1));
        Assert.False(target.AsSpan(0, 3).ContainsAnyExcept((byte)0xA5));
        Assert.False(target.AsSpan(3 + input.Length).ContainsAnyExcept((byte)0xA5));
        return target[3..(3 + input.Length)];
    }

    private static byte[] InPlace(byte[] input, Action<ReadOnlySpan<byte>, Span<byte>> transform)
    {
        byte[] bytes = [0, .. input, 0];
        transform(bytes.AsSpan(1, input.Length), bytes.AsSpan(1, input.Length));
        Assert.Equal(0, bytes[0] | bytes[^1]);
        return bytes[1..^1];
    }
}
