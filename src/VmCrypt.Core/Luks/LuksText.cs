using System.Text;

namespace VmCrypt.Core.Luks;

/// <summary>The NUL-padded text fields of LUKS headers.</summary>
internal static class LuksText
{
    /// <summary>A name for people only, whatever bytes it has: a damaged one must not cost anybody their data.</summary>
    public static string Label(ReadOnlySpan<byte> field)
    {
        int end = field.IndexOf((byte)0);
        return string.Create(end < 0 ? field.Length : end, field, static (text, bytes) =>
        {
            for (int i = 0; i < text.Length; i++)
            {
                text[i] = bytes[i] is >= (byte)' ' and <= (byte)'~' ? (char)bytes[i] : '?';
            }
        });
    }

    /// <summary>The text without control characters, which do not belong on a terminal.</summary>
    public static string Printable(string text) => string.Create(text.Length, text, static (shown, source) =>
    {
        for (int i = 0; i < shown.Length; i++)
        {
            shown[i] = char.IsControl(source[i]) ? '?' : source[i];
        }
    });

    /// <summary>Writes <paramref name="text"/> (ASCII) and fills the rest with NULs.</summary>
    public static void Write(Span<byte> field, string text)
    {
        field.Clear();
        Encoding.ASCII.GetBytes(text, field);
    }
}
