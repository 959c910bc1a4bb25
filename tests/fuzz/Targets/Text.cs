using System.Text;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Fuzz.Targets;

/// <summary>Inputs that are text, and words.</summary>
internal static class Text
{
    private const byte Utf16Mark = 0xFF;

    /// <summary>UTF-8; behind a byte 0xFF, which UTF-8 does not have, UTF-16, so that half characters occur as well.</summary>
    public static string Of(ReadOnlySpan<byte> input) => input is [Utf16Mark, .. var units]
        ? string.Concat(units.ToArray().Chunk(2).Where(pair => pair.Length == 2).Select(pair => (char)(pair[0] | (pair[1] << 8))))
        : Encoding.UTF8.GetString(input);

    /// <summary>One byte per character.</summary>
    public static byte[][] Words(params string[] words) => [.. words.Select(Encoding.Latin1.GetBytes)];

    public static SecretBuffer Secret(string text) => SecretBuffer.CopyOf(Encoding.UTF8.GetBytes(text));
}
