using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Configuration;

/// <summary>The secret of this host, under which services seal what they must keep and nobody else may read: 32 bytes, mode 0600.</summary>
public static class HostKey
{
    public const string FileName = "host.key";

    public const int Size = 32;

    /// <summary>The key; made at the first call on a host. The caller disposes it.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.ConfigurationUnsafe"/>: others can read or change it.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.ConfigurationInvalid"/>: it has not the right length.</exception>
    public static async Task<SecretBuffer> LoadAsync(ConfigurationFolder folder, CancellationToken cancellationToken)
    {
        if (!File.Exists(folder[FileName]))
        {
            folder.Create();
            await SecretFile.MakeAsync(folder[FileName], Size, cancellationToken);
        }

        return SecretFile.Read(folder[FileName], Size);
    }
}
