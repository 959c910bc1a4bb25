using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Configuration;

/// <summary>A file of random bytes that only its owner may read: mode 0600, in a folder that nobody else can change.</summary>
internal static class SecretFile
{
    private const UnixFileMode OthersAny = (UnixFileMode)0b000_111_111;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    /// <summary>Refuses a file that others can read or change.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.ConfigurationUnsafe"/>.</exception>
    public static void RequirePrivate(string path)
    {
        new ConfigurationFolder(Path.GetDirectoryName(path)!).RequireTrusted(Path.GetFileName(path));
        if (FileOwner.Of(path) is { } owner && (owner.Mode & OthersAny) != UnixFileMode.None)
        {
            throw new RefusedException(ErrorIds.ConfigurationUnsafe, $"'{path}' can be read by others; its mode must be 0600.");
        }
    }

    /// <summary>The bytes; the caller disposes them.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.ConfigurationUnsafe"/>.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.ConfigurationInvalid"/>: it has not the right length.</exception>
    public static SecretBuffer Read(string path, int size)
    {
        RequirePrivate(path);
        var key = new SecretBuffer(size);
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
            if (stream.Length != size)
            {
                throw new InvalidInputException(ErrorIds.ConfigurationInvalid, $"'{path}' has {stream.Length} bytes; such a key has {size}.");
            }

            stream.ReadExactly(key.Span);
            return key;
        }
        catch (UnauthorizedAccessException fault)
        {
            key.Dispose();
            throw new DeviceFaultException(ErrorIds.AccessDenied, $"'{path}' cannot be read: {fault.Message}", fault);
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    /// <summary>Makes the file with fresh random bytes unless it is there.</summary>
    public static async Task MakeAsync(string path, int size, CancellationToken cancellationToken)
    {
        using FileLock gate = await FileLock.TakeAsync(path, s_patience, cancellationToken);
        if (File.Exists(path))
        {
            return;
        }

        using SecretBuffer key = SecretBuffer.Random(size);
        await using PendingFile pending = await PendingFile.CreateAsync(path, new FileCreateOptions { Length = size }, replace: false, cancellationToken);
        await pending.Device.WriteAsync(0, key.Memory, cancellationToken);
        await pending.CommitAsync(cancellationToken);
    }
}
