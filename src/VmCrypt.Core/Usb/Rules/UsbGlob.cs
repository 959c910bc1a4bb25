using System.IO.Enumeration;

namespace VmCrypt.Core.Usb.Rules;

/// <summary>Texts with wildcards: <c>*</c> any text, <c>?</c> any one character, a backslash before either takes it literally.</summary>
internal static class UsbGlob
{
    /// <summary>The text holds no wildcard and no backslash, and matches itself alone.</summary>
    public static bool IsExact(string? text) => text is not null && text.AsSpan().IndexOfAny('*', '?', '\\') < 0;

    public static bool Matches(string pattern, string text) =>
        IsExact(pattern) ? pattern == text : FileSystemName.MatchesSimpleExpression(pattern, text, ignoreCase: false);

    /// <summary>A pattern that matches <paramref name="text"/> alone.</summary>
    public static string Escape(string text) => string.Concat(text.Select(sign => sign is '*' or '?' or '\\' ? $"\\{sign}" : sign.ToString()));
}
