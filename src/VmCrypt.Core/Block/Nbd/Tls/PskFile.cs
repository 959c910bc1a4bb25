using System.Buffers;
using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>Keys that users and a server share, in GnuTLS's format (psktool, QEMU's keys.psk, nbdkit's --tls-psk): <c>user:hexadecimal</c> in each line.</summary>
internal sealed class PskFile : IDisposable
{
    // Thousands of users fit.
    private const int MaxFileBytes = 1024 * 1024;

    // What a handshake carries (RFC 4279), and less than which is no secret.
    private const int MaxUserBytes = 128;
    private const int MinKeyBytes = 16;
    private const int MaxKeyBytes = 64;

    private readonly Dictionary<string, SecretBuffer> _keys = new(StringComparer.Ordinal);

    private PskFile()
    {
    }

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.TlsCredentialsInvalid"/>; a key is never quoted.</exception>
    public static PskFile Load(string path)
    {
        var file = new PskFile();
        using var content = new SecretBuffer(MaxFileBytes + 1);
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            int length = stream.ReadAtLeast(content.Span, content.Length, throwOnEndOfStream: false);
            file.Parse(path, length <= MaxFileBytes ? content.Span[..length] : throw Invalid(path, $"is longer than {MaxFileBytes} bytes"));
            return file;
        }
        catch (Exception fault)
        {
            file.Dispose();
            throw fault is IOException or UnauthorizedAccessException ? Invalid(path, $"cannot be read: {fault.Message.TrimEnd('.')}", fault) : fault;
        }
    }

    /// <summary>The user's key, null for a stranger; stays this file's.</summary>
    public SecretBuffer? Find(string user) => _keys.GetValueOrDefault(user);

    public void Dispose()
    {
        foreach (SecretBuffer key in _keys.Values)
        {
            key.Dispose();
        }
    }

    private void Parse(string path, ReadOnlySpan<byte> content)
    {
        int number = 0;
        foreach (Range range in content.Split((byte)'\n'))
        {
            number++;
            ReadOnlySpan<byte> line = content[range].TrimEnd((byte)'\r');
            if (!line.IsEmpty && !TryAdd(line))
            {
                throw Invalid(path, $"has no user:key in line {number}, or the user twice; a key has {MinKeyBytes} to {MaxKeyBytes} bytes in hexadecimal, a user up to {MaxUserBytes}");
            }
        }

        if (_keys.Count == 0)
        {
            throw Invalid(path, "holds no key");
        }
    }

    private bool TryAdd(ReadOnlySpan<byte> line)
    {
        int colon = line.IndexOf((byte)':');
        ReadOnlySpan<byte> digits = line[(colon + 1)..];
        if (colon is < 1 or > MaxUserBytes || digits.Length is < 2 * MinKeyBytes or > 2 * MaxKeyBytes || digits.Length % 2 != 0)
        {
            return false;
        }

        var key = new SecretBuffer(digits.Length / 2);
        if (Convert.FromHexString(digits, key.Span, out _, out _) == OperationStatus.Done && _keys.TryAdd(Encoding.UTF8.GetString(line[..colon]), key))
        {
            return true;
        }

        key.Dispose();
        return false;
    }

    private static InvalidInputException Invalid(string path, string why, Exception? fault = null) =>
        new(ErrorIds.TlsCredentialsInvalid, $"'{path}' {why}.", fault);
}
