using System.Security.Cryptography;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Keys.Store.Protectors;

/// <summary>The wrapping key is HKDF-SHA256 of a key file of 32 bytes, which only its owner may read.</summary>
internal static class KeyFileProtection
{
    public const int SaltSize = 16;

    /// <summary>Makes the file unless it is there.</summary>
    public static async Task<(KeyProtector Draft, SecretBuffer Key)> MakeAsync(KeyProtector draft, string path, CancellationToken cancellationToken)
    {
        await SecretFile.MakeAsync(path, HostKey.Size, cancellationToken);
        draft = draft with { Salt = RandomNumberGenerator.GetBytes(SaltSize), Path = path };
        return (draft, Open(draft));
    }

    /// <exception cref="MissingException"><see cref="ErrorIds.KeyProtectorUnavailable"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.ConfigurationUnsafe"/>: others can read the file.</exception>
    public static SecretBuffer Open(KeyProtector protector)
    {
        if (!File.Exists(protector.Path))
        {
            throw new MissingException(ErrorIds.KeyProtectorUnavailable, $"The key file '{protector.Path}' of the key store is not there.");
        }

        using SecretBuffer file = SecretFile.Read(protector.Path, HostKey.Size);
        var key = new SecretBuffer(StoreKey.Size);
        HKDF.DeriveKey(HashAlgorithmName.SHA256, file.Span, key.Span, protector.Salt, "vmcrypt key store: key file"u8);
        return key;
    }
}
