using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Crypto.Hardware;

/// <summary>The round keys of both directions (FIPS 197, section 5.2), computed without tables, wiped when disposed.</summary>
internal sealed class AesKeySchedule : IDisposable
{
    private const int BlockSize = 16;

    private readonly SecretBuffer _encryption;
    private readonly SecretBuffer _decryption;

    private AesKeySchedule(int rounds)
    {
        Rounds = (nuint)rounds;
        _encryption = new SecretBuffer((rounds + 1) * BlockSize);
        _decryption = new SecretBuffer((rounds + 1) * BlockSize);
    }

    /// <summary>10, 12 or 14 by the size of the key.</summary>
    public nuint Rounds { get; }

    public ref byte Encryption => ref MemoryMarshal.GetReference(_encryption.Span);

    public ref byte Decryption => ref MemoryMarshal.GetReference(_decryption.Span);

    public static AesKeySchedule Create<TEncryption, TDecryption>(ReadOnlySpan<byte> key)
        where TEncryption : IAesRounds
        where TDecryption : IAesRounds
    {
        var schedule = new AesKeySchedule((key.Length / sizeof(uint)) + 6);
        Expand<TEncryption>(key, MemoryMarshal.Cast<byte, uint>(schedule._encryption.Span));

        Span<Vector128<byte>> forward = MemoryMarshal.Cast<byte, Vector128<byte>>(schedule._encryption.Span);
        Span<Vector128<byte>> backward = MemoryMarshal.Cast<byte, Vector128<byte>>(schedule._decryption.Span);
        backward[0] = forward[^1];
        backward[^1] = forward[0];
        for (int i = 1; i < forward.Length - 1; i++)
        {
            backward[i] = TDecryption.MiddleKey(forward[^(i + 1)]);
        }

        return schedule;
    }

    public void Dispose()
    {
        _encryption.Dispose();
        _decryption.Dispose();
    }

    // Words as they lie in memory, so that FIPS 197's RotWord to the left is a rotation to the right.
    private static void Expand<TEncryption>(ReadOnlySpan<byte> key, Span<uint> words)
        where TEncryption : IAesRounds
    {
        MemoryMarshal.Cast<byte, uint>(key).CopyTo(words);
        int keyWords = key.Length / sizeof(uint);
        uint constant = 1;
        for (int i = keyWords; i < words.Length; i++)
        {
            uint word = words[i - 1];
            if (i % keyWords == 0)
            {
                word = BitOperations.RotateRight(Substitute<TEncryption>(word), 8) ^ constant;
                constant = (constant << 1) ^ ((constant >> 7) * 0x11B);
            }
            else if (keyWords == 8 && i % keyWords == 4)
            {
                word = Substitute<TEncryption>(word);
            }

            words[i] = words[i - keyWords] ^ word;
        }
    }

    // With four equal columns ShiftRows changes nothing, so the last round under zero keys is the S-box alone.
    private static uint Substitute<TEncryption>(uint word)
        where TEncryption : IAesRounds =>
        TEncryption.Last(Vector128.Create(word).AsByte(), Vector128<byte>.Zero, Vector128<byte>.Zero).AsUInt32().ToScalar();
}
