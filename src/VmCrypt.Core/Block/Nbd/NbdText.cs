using System.Text;

namespace VmCrypt.Core.Block.Nbd;

/// <summary>The protocol's strings: UTF-8 without NUL, at most <see cref="NbdLimits.MaxString"/> bytes.</summary>
internal static class NbdText
{
    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static byte[] Encode(string text) => s_strict.GetBytes(text);

    public static bool IsValid(string text)
    {
        try
        {
            return !text.Contains('\0', StringComparison.Ordinal) && s_strict.GetByteCount(text) <= NbdLimits.MaxString;
        }
        catch (EncoderFallbackException)
        {
            return false;
        }
    }

    public static bool TryDecode(ReadOnlySpan<byte> bytes, out string text)
    {
        text = string.Empty;
        if (bytes.Length > NbdLimits.MaxString || bytes.Contains((byte)0))
        {
            return false;
        }

        try
        {
            text = s_strict.GetString(bytes);
            return true;
        }
        catch (DecoderFallbackException)
        {
            return false;
        }
    }

    /// <summary>What a peer says for people to read: control characters must not reach a terminal.</summary>
    public static string ForPeople(ReadOnlySpan<byte> bytes) =>
        ForPeople(Encoding.UTF8.GetString(bytes[..Math.Min(bytes.Length, NbdLimits.MaxString)]));

    /// <inheritdoc cref="ForPeople(ReadOnlySpan{byte})"/>
    public static string ForPeople(string text) =>
        string.Create(Math.Min(text.Length, NbdLimits.MaxString), text, static (target, source) =>
        {
            for (int i = 0; i < target.Length; i++)
            {
                target[i] = char.IsControl(source[i]) ? ' ' : source[i];
            }
        }).Trim();
}
