using System.Text;
using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.Keys;

/// <summary>A file that holds the JSON of a token.</summary>
internal static class KeyTokenFile
{
    // The largest header has no more room for all of its metadata.
    private const int MaxBytes = 4 * 1024 * 1024;

    private static readonly UTF8Encoding s_strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeyTokenInvalid"/>.</exception>
    public static string Read(string path)
    {
        using FileStream file = File.OpenRead(path);
        byte[] bytes = new byte[MaxBytes + 1];
        int length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        try
        {
            return length <= MaxBytes ? s_strictUtf8.GetString(bytes, 0, length) : throw Invalid(path, $"is longer than {MaxBytes} bytes");
        }
        catch (DecoderFallbackException)
        {
            throw Invalid(path, "is not UTF-8");
        }
    }

    private static InvalidInputException Invalid(string path, string fault) => new(ErrorIds.KeyTokenInvalid, $"The token in {path} {fault}.");
}
