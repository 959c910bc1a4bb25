using System.Security.Cryptography;

namespace VmCrypt.Core.Tests.Proof;

/// <summary>Ciphertext of AES-128 in counter mode: the same for the same seed.</summary>
internal static class Ciphertext
{
    public static byte[] Of(int bytes, int seed = 1)
    {
        byte[] counters = new byte[(bytes + 15) & -16];
        for (int i = 0; i < counters.Length / 16; i++)
        {
            BitConverter.TryWriteBytes(counters.AsSpan(i * 16), i);
            BitConverter.TryWriteBytes(counters.AsSpan((i * 16) + 8), seed);
        }

        using var aes = Aes.Create();
        aes.Key = [.. Enumerable.Range(1, 16).Select(value => (byte)value)];
        return aes.EncryptEcb(counters, PaddingMode.None)[..bytes];
    }
}
