using System.Buffers.Binary;
using System.Security.Cryptography;
using VmCrypt.Core.Crypto;

namespace VmCrypt.Interop.Tests.Crypto;

/// <summary>Random inputs against the openssl program.</summary>
public sealed class OpenSslTests
{
    // Whirlpool, RIPEMD-160 and CAST5 live in OpenSSL 3's legacy provider.
    private static readonly string[] s_providers = ["-provider", "legacy", "-provider", "default"];

    public static TheoryData<HashKind> Hashes => [.. Enum.GetValues<HashKind>()];

    // openssl enc has no XTS; see LibGcryptTests.
    [Theory]
    [InlineData("aes-cbc-plain64", 16, "aes-128-cbc")]
    [InlineData("aes-cbc-plain64", 24, "aes-192-cbc")]
    [InlineData("aes-cbc-plain64", 32, "aes-256-cbc")]
    [InlineData("aes-ctr-plain64", 32, "aes-256-ctr")]
    [InlineData("aes-ecb", 24, "aes-192-ecb")]
    [InlineData("cast5-cbc-plain64", 16, "cast5-cbc")]
    [InlineData("cast5-ecb", 16, "cast5-ecb")]
    public void A_sector_is_encrypted_as_openssl_enc_does(string spec, int keySize, string name)
    {
        using var scratch = new Scratch();
        var parsed = CipherSpec.Parse(spec);
        byte[] key = RandomNumberGenerator.GetBytes(keySize);
        byte[] sector = RandomNumberGenerator.GetBytes(512 << Random.Shared.Next(4));
        ulong number = (ulong)Random.Shared.NextInt64();
        byte[] iv = new byte[parsed.BlockSize];
        BinaryPrimitives.WriteUInt64LittleEndian(iv, number);
        string[] ivArguments = parsed.Mode == Core.Crypto.CipherMode.Ecb ? [] : ["-iv", Convert.ToHexString(iv)];
        Tools.Run("openssl",
            ["enc", "-e", "-" + name, .. s_providers, "-nopad", "-K", Convert.ToHexString(key), .. ivArguments, "-in", scratch.File("plain", sector), "-out", scratch["encrypted"]]);

        using var cipher = SectorCipher.Create(parsed, key, sector.Length);
        cipher.Encrypt(number, sector, sector);

        Assert.Equal(File.ReadAllBytes(scratch["encrypted"]), sector);
    }

    [Theory]
    [MemberData(nameof(Hashes))]
    public void Hashes_of_any_length_are_those_of_openssl(HashKind hash)
    {
        using var scratch = new Scratch();
        foreach (int length in (int[])[0, 31, 32, 33, 55, 56, 63, 64, Random.Shared.Next(65, 1_000_000)])
        {
            byte[] message = RandomNumberGenerator.GetBytes(length);
            string expected = Tools.Run("openssl", ["dgst", .. s_providers, "-r", "-" + HashKinds.NameOf(hash), scratch.File("message", message)]);

            byte[] digest = new byte[Digest.SizeOf(hash)];
            Digest.Hash(hash, message, digest);

            Assert.Equal(expected.Split(' ')[0], Convert.ToHexStringLower(digest));
        }
    }

    [Theory]
    [MemberData(nameof(Hashes))]
    public void Pbkdf2_derives_the_keys_of_openssl_kdf(HashKind hash)
    {
        foreach (int keySize in (int[])[16, 64, Random.Shared.Next(1, 200)])
        {
            byte[] passphrase = RandomNumberGenerator.GetBytes(Random.Shared.Next(1, 200));
            byte[] salt = RandomNumberGenerator.GetBytes(Random.Shared.Next(16, 100));
            int iterations = Random.Shared.Next(1, 3000);
            string expected = Tools.Run("openssl",
                ["kdf", .. s_providers, "-keylen", keySize.ToString(), "-kdfopt", $"digest:{HashKinds.NameOf(hash)}", "-kdfopt", $"hexpass:{Convert.ToHexString(passphrase)}",
                "-kdfopt", $"hexsalt:{Convert.ToHexString(salt)}", "-kdfopt", $"iter:{iterations}", "PBKDF2"]);

            byte[] key = new byte[keySize];
            Pbkdf2.Derive(hash, passphrase, salt, iterations, key);

            Assert.Equal(expected.Trim().Replace(":", string.Empty, StringComparison.Ordinal), Convert.ToHexString(key));
        }
    }
}
