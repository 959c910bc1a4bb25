using System.Runtime.Intrinsics;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Crypto.Hardware;
using Instructions = System.Runtime.Intrinsics.X86.Aes;

namespace VmCrypt.Core.Tests.Crypto;

/// <summary>
/// The loops and the key schedule in the order that ARM's instructions want, on a model of those instructions made of x64's:
/// all of the ARM64 path but the instructions themselves.
/// </summary>
public sealed class Arm64ModelTests
{
    [Theory]
    [InlineData(32)]
    [InlineData(48)]
    [InlineData(64)]
    public void Keys_added_before_the_round_give_the_same_sectors(int keySize)
    {
        Assert.SkipUnless(Instructions.IsSupported, "the model needs AES-NI");
        byte[] key = Vectors.Random(keySize);
        byte[] plain = Vectors.Random(11 * 512);

        using var xts = new AesXts<Encryption, Decryption>(key, SectorIv.Create(CipherSpec.Default, key, AesPath.X64), 512);
        CompareWithPlatform(xts, CipherSpec.Default, key, plain);

        var cbcSpec = CipherSpec.Parse("aes-cbc-plain64");
        byte[] cbcKey = key[..(keySize / 2)];
        using var cbc = new AesCbc<Encryption, Decryption>(cbcKey, SectorIv.Create(cbcSpec, cbcKey, AesPath.X64), 512);
        CompareWithPlatform(cbc, cbcSpec, cbcKey, plain);
    }

    private static void CompareWithPlatform(SectorCipher cipher, CipherSpec spec, byte[] key, byte[] plain)
    {
        byte[] bytes = new byte[plain.Length];
        cipher.Encrypt(77, plain, bytes);
        Assert.Equal(Textbook.Encrypt(spec, key, 77, 512, plain), bytes);
        cipher.Decrypt(77, bytes, bytes);
        Assert.Equal(plain, bytes);
    }

    // AESE: add the key, SubBytes, ShiftRows.
    private static Vector128<byte> AesE(Vector128<byte> state, Vector128<byte> key) => Instructions.EncryptLast(state ^ key, Vector128<byte>.Zero);

    // AESD: add the key, InvShiftRows, InvSubBytes.
    private static Vector128<byte> AesD(Vector128<byte> state, Vector128<byte> key) => Instructions.DecryptLast(state ^ key, Vector128<byte>.Zero);

    // AESMC: MixColumns alone; an encryption round after the inverse of its other steps.
    private static Vector128<byte> AesMc(Vector128<byte> state) =>
        Instructions.Encrypt(Instructions.DecryptLast(state, Vector128<byte>.Zero), Vector128<byte>.Zero);

    private readonly struct Encryption : IAesRounds
    {
        public static bool IsSupported => Instructions.IsSupported;

        public static Vector128<byte> Start(Vector128<byte> state, Vector128<byte> firstKey) => Arm64Aes.Encryption.Start(state, firstKey);

        public static Vector128<byte> Middle(Vector128<byte> state, Vector128<byte> keyBefore, Vector128<byte> keyAfter) => AesMc(AesE(state, keyBefore));

        public static Vector128<byte> Last(Vector128<byte> state, Vector128<byte> keyBefore, Vector128<byte> lastKey) => AesE(state, keyBefore) ^ lastKey;

        public static Vector128<byte> MiddleKey(Vector128<byte> encryptionKey) => Arm64Aes.Encryption.MiddleKey(encryptionKey);
    }

    private readonly struct Decryption : IAesRounds
    {
        public static bool IsSupported => Instructions.IsSupported;

        public static Vector128<byte> Start(Vector128<byte> state, Vector128<byte> firstKey) => Arm64Aes.Decryption.Start(state, firstKey);

        public static Vector128<byte> Middle(Vector128<byte> state, Vector128<byte> keyBefore, Vector128<byte> keyAfter) =>
            Instructions.InverseMixColumns(AesD(state, keyBefore));

        public static Vector128<byte> Last(Vector128<byte> state, Vector128<byte> keyBefore, Vector128<byte> lastKey) => AesD(state, keyBefore) ^ lastKey;

        public static Vector128<byte> MiddleKey(Vector128<byte> encryptionKey) => Instructions.InverseMixColumns(encryptionKey);
    }
}
