using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Luks;

/// <summary>A key of 256 random bits, printed as eight groups of eight letters that lie in the same place on most keyboards (modhex).</summary>
/// <remarks>The passphrase is the printed text itself, in lower case and with its dashes: so systemd-cryptenroll made it, and so every tool takes it.</remarks>
public static class RecoveryKey
{
    /// <summary>Bytes of the printed form.</summary>
    public const int PrintedLength = (Letters * 9 / 8) - 1;

    private const int Letters = 64;

    private static ReadOnlySpan<byte> Alphabet => "cbdefghijklnrtuv"u8;

    /// <summary>A new key in its printed form, which is ASCII.</summary>
    public static SecretBuffer Create()
    {
        using SecretBuffer random = SecretBuffer.Random(Letters / 2);
        using var letters = new SecretBuffer(Letters);
        for (int i = 0; i < Letters; i++)
        {
            letters.Span[i] = Alphabet[(random.Span[i / 2] >> (i % 2 == 0 ? 4 : 0)) & 0xF];
        }

        return Print(letters.Span);
    }

    /// <summary>What was printed, where <paramref name="typed"/> is a recovery key in another spelling; null where it is none, or is spelled so.</summary>
    /// <param name="typed">The letters in any case; dashes and spaces between them do not matter.</param>
    public static SecretBuffer? AsPrinted(ReadOnlySpan<byte> typed)
    {
        if (typed.Length is < Letters or > 2 * Letters)
        {
            return null;
        }

        using var letters = new SecretBuffer(Letters);
        int count = 0;
        foreach (byte letter in typed)
        {
            if (letter is (byte)'-' or (byte)' ')
            {
                continue;
            }

            byte lower = (byte)(letter | 0x20);
            if (count == Letters || !Alphabet.Contains(lower))
            {
                return null;
            }

            letters.Span[count++] = lower;
        }

        using SecretBuffer? printed = count == Letters ? Print(letters.Span) : null;
        return printed?.FixedTimeEquals(typed) == false ? printed.Move() : null;
    }

    private static SecretBuffer Print(ReadOnlySpan<byte> letters)
    {
        var printed = new SecretBuffer(PrintedLength);
        for (int i = 0, at = 0; i < Letters; i++)
        {
            if (i > 0 && i % 8 == 0)
            {
                printed.Span[at++] = (byte)'-';
            }

            printed.Span[at++] = letters[i];
        }

        return printed;
    }
}
