using System.Globalization;
using System.Security;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Cli.Binding;

/// <summary>Where a secret comes from, since it must not stand on a command line: <c>file:PATH</c>, <c>env:NAME</c>, <c>fd:N</c>, or <c>-</c> for standard input.</summary>
internal static class SecretArgument
{
    // Longer than any passphrase; whoever has more raw bytes wants -KeyFile.
    private const int MaxBytes = 64 * 1024;

    private const int StandardInput = 0;

    private static readonly UTF8Encoding s_strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads the secret; one newline at its end is dropped.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.SecretSourceInvalid"/>.</exception>
    public static SecureString Read(string source)
    {
        try
        {
            string[] parts = source.Split(':', 2);
            return (parts[0].ToUpperInvariant(), parts.Length) switch
            {
                ("-", 1) => ReadDescriptor(StandardInput),
                ("FILE", 2) => ReadFile(parts[1]),
                ("ENV", 2) => ReadVariable(parts[1]),
                ("FD", 2) when int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int fd) => ReadDescriptor(fd),
                _ => throw Invalid("A secret is given as file:PATH, env:NAME, fd:N or - (standard input), never as itself."),
            };
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw Invalid($"The secret cannot be read from {source}: {exception.Message}", exception);
        }
    }

    private static SecureString ReadFile(string path)
    {
        using SafeFileHandle file = File.OpenHandle(path);
        return ReadHandle(file);
    }

    private static SecureString ReadDescriptor(int descriptor)
    {
        if (OperatingSystem.IsWindows())
        {
            if (descriptor != StandardInput)
            {
                throw Invalid("Windows has no numbered file descriptors; use file:, env: or -.");
            }

            using Stream input = Console.OpenStandardInput();
            return ReadAll(input.Read);
        }

        if (!InheritedDescriptor.Exists(descriptor))
        {
            throw Invalid($"The secret cannot be read from fd:{descriptor}: this process was given no such descriptor.");
        }

        using var handle = new SafeFileHandle(descriptor, ownsHandle: false);
        return ReadHandle(handle);
    }

    // An environment variable is a managed string already; it can be used, but not wiped.
    private static SecureString ReadVariable(string name) => ToSecureString(
        Environment.GetEnvironmentVariable(name) ?? throw Invalid($"The environment variable {name} is not set."));

    private static SecureString ReadHandle(SafeFileHandle handle)
    {
        // A stream without a buffer leaves no copy; it reads pipes and terminals as well as files.
        using var stream = new FileStream(handle, FileAccess.Read, bufferSize: 0);
        return ReadAll(stream.Read);
    }

    private delegate int ReadBytes(Span<byte> target);

    private static SecureString ReadAll(ReadBytes read)
    {
        using var bytes = new SecretBuffer(MaxBytes + 1);
        int length = 0;
        for (int count; length < bytes.Length && (count = read(bytes.Span[length..])) > 0;)
        {
            length += count;
        }

        return length <= MaxBytes
            ? Decode(WithoutNewline(bytes.Span[..length]))
            : throw Invalid($"The secret is longer than {MaxBytes} bytes; use -KeyFile for raw keys.");
    }

    private static ReadOnlySpan<byte> WithoutNewline(ReadOnlySpan<byte> text) =>
        text.EndsWith("\r\n"u8) ? text[..^2] : text.EndsWith("\n"u8) ? text[..^1] : text;

    private static SecureString Decode(ReadOnlySpan<byte> utf8)
    {
        char[] characters = GC.AllocateArray<char>(utf8.Length, pinned: true);
        try
        {
            return ToSecureString(characters.AsSpan(0, s_strictUtf8.GetChars(utf8, characters)));
        }
        catch (DecoderFallbackException)
        {
            throw Invalid("The secret is not UTF-8 text; use -KeyFile for raw keys.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(System.Runtime.InteropServices.MemoryMarshal.AsBytes(characters.AsSpan()));
        }
    }

    private static SecureString ToSecureString(ReadOnlySpan<char> characters)
    {
        var secure = new SecureString();
        foreach (char character in characters)
        {
            secure.AppendChar(character);
        }

        secure.MakeReadOnly();
        return secure;
    }

    private static InvalidInputException Invalid(string message, Exception? inner = null) => new(ErrorIds.SecretSourceInvalid, message, inner);
}
