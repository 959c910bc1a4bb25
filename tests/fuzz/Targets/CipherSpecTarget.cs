using VmCrypt.Core.Crypto;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>A cipher as dm-crypt writes it; one that is possible must work, at every key size that it says it takes.</summary>
internal sealed class CipherSpecTarget : IFuzzTarget
{
    public string Name => "cipher-spec";

    public IReadOnlyList<byte[]> Words { get; } = Text.Words(
        "aes", "twofish", "serpent", "cast5", "-", "xts", "cbc", "ctr", "ecb", "plain", "plain64", "plain64be", "essiv", "none", "null", ":",
        "sha1", "sha224", "sha256", "sha384", "sha512", "ripemd160", "whirlpool", "0", "1", ",", " ");

    public int MaxLength => 200;

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        CipherSpec spec = CipherSpec.Parse(Text.Of(input));
        trace.Note($"{spec}");
        DefectException.Unless(CipherSpec.Parse(spec.ToString()) == spec, "The cipher comes back as another.");
        spec.RequireSupported();
        foreach (int keySize in spec.KeySizes)
        {
            Encrypt(spec, [.. Enumerable.Range(0, keySize).Select(i => (byte)i)]);
        }
    }

    private static void Encrypt(CipherSpec spec, byte[] key)
    {
        using SectorCipher cipher = SectorCipher.Create(spec, key);
        byte[] plain = [.. Enumerable.Range(0, 1024).Select(i => (byte)(i * 7))];
        byte[] encrypted = new byte[plain.Length];
        cipher.Encrypt(ulong.MaxValue, plain, encrypted);
        cipher.Decrypt(ulong.MaxValue, encrypted, encrypted);
        DefectException.Unless(encrypted.AsSpan().SequenceEqual(plain), "Decryption does not undo encryption.");
    }
}
