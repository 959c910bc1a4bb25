using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Configuration;

/// <summary>The secret of this host, under which services seal what they must keep and nobody else may read: 32 bytes, mode 0600.</summary>
public static class HostKey
{
    public const string FileName = "host.key";

    public const int Size = 32;

    private const UnixFileMode OthersAny = (UnixFileMode)0b000_111_111;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    /// <summary>The key; made at the first call on a host. The caller disposes it.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.ConfigurationUnsafe"/>: others can read or change it.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.ConfigurationInvalid"/>: it has not the right length.</exception>
    public static async Task<SecretBuffer> LoadAsync(ConfigurationFolder folder, CancellationToken cancellationToken)
    {
        if (!File.Exists(folder[FileName]))
        {
            await MakeAsync(folder, cancellationToken);
        }

        folder.RequireTrusted(FileName);
        if (FileOwner.Of(folder[FileName]) is { } owner && (owner.Mode & OthersAny) != UnixFileMode.None)
        {
            throw new RefusedException(ErrorIds.ConfigurationUnsafe, $"'{folder[FileName]}' can be read by others; its mode must be 0600.");
        }

        return Read(folder[FileName]);
    }

    private static SecretBuffer Read(string path)
    {
        var key = new SecretBuffer(Size);
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
            if (stream.Length != Size)
            {
                throw new InvalidInputException(ErrorIds.ConfigurationInvalid, $"'{path}' has {stream.Length} bytes; a host key has {Size}.");
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

    private static async Task MakeAsync(ConfigurationFolder folder, CancellationToken cancellationToken)
    {
        folder.Create();
        using FileLock gate = await FileLock.TakeAsync(folder[FileName], s_patience, cancellationToken);
        if (File.Exists(folder[FileName]))
        {
            return;
        }

        using SecretBuffer key = SecretBuffer.Random(Size);
        await using PendingFile pending =
            await PendingFile.CreateAsync(folder[FileName], new FileCreateOptions { Length = Size }, replace: false, cancellationToken);
        await pending.Device.WriteAsync(0, key.Memory, cancellationToken);
        await pending.CommitAsync(cancellationToken);
    }
}
