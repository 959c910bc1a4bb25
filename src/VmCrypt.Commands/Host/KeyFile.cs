using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.Host;

/// <summary>A file, or a part of one, whose raw bytes are a key; nothing is stripped or decoded.</summary>
/// <param name="Size">Null for all that follows the offset.</param>
internal sealed record KeyFile(string Path, long Offset, long? Size)
{
    // cryptsetup's own default limit, so that a key which works there works here.
    private const int MaxBytes = 8 * 1024 * 1024;

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeyFileInvalid"/>.</exception>
    public SecretBuffer Read()
    {
        // Unbuffered, so that no copy stays behind; pipes and devices are read as well as files.
        using var file = new FileStream(Path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        Skip(file);
        using var bytes = new SecretBuffer((int)Math.Min(Size ?? MaxBytes + 1, MaxBytes + 1));
        int length = file.ReadAtLeast(bytes.Span, bytes.Length, throwOnEndOfStream: false);
        return length switch
        {
            > MaxBytes => throw Invalid($"is longer than {MaxBytes} bytes; choose a part of it with -KeyFileSize"),
            0 => throw Invalid("holds no bytes there"),
            _ when length < Size => throw Invalid($"holds {length} of the {Size} bytes asked for"),
            _ => SecretBuffer.CopyOf(bytes.Span[..length]),
        };
    }

    private void Skip(FileStream file)
    {
        if (file.CanSeek)
        {
            file.Position = Offset;
            return;
        }

        using var skipped = new SecretBuffer(4096);
        for (long left = Offset; left > 0;)
        {
            int count = file.Read(skipped.Span[..(int)Math.Min(skipped.Length, left)]);
            left = count > 0 ? left - count : throw Invalid("ends before the offset");
        }
    }

    private InvalidInputException Invalid(string fault) => new(ErrorIds.KeyFileInvalid, $"The key file {Path} {fault}.");
}
