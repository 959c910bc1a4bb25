using System.Security.Cryptography;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store.Files;

namespace VmCrypt.Core.Keys.Store.Protectors;

/// <summary>Wraps the key of a store for each of its protectors, and gets it back.</summary>
internal static class KeyProtection
{
    public static async Task<KeyProtector> MakeAsync(NewKeyProtector plan, Guid store, SecretBuffer storeKey, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var draft = new KeyProtector { Id = Guid.NewGuid(), Kind = plan.Kind, Created = now, Host = Environment.MachineName, Nonce = [], Tag = [], WrappedKey = [] };
        (draft, SecretBuffer key) = await (plan switch
        {
            { Kind: KeyProtectorKind.Passphrase, Passphrase: { } passphrase } => PassphraseProtection.MakeAsync(draft, passphrase, plan.Cost, cancellationToken),
            { Kind: KeyProtectorKind.KeyFile, KeyFile: { } path } => KeyFileProtection.MakeAsync(draft, path, cancellationToken),
            { Kind: KeyProtectorKind.Tpm } => TpmProtection.MakeAsync(draft, plan.Registers, cancellationToken),
            _ => Task.FromResult(DpapiProtection.Make(draft)),
        });
        using (key)
        {
            draft = draft with
            {
                Nonce = RandomNumberGenerator.GetBytes(WrappedSecret.NonceSize),
                Tag = new byte[WrappedSecret.TagSize],
                WrappedKey = new byte[StoreKey.Size],
            };
            using var gcm = new AesGcm(key.Span, WrappedSecret.TagSize);
            gcm.Encrypt(draft.Nonce, storeKey.Span, draft.WrappedKey, draft.Tag, BoundTo(store, draft));
            return draft;
        }
    }

    /// <summary>Tries every protector that needs nobody, or the ones of the passphrase if it is given.</summary>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.KeyStoreLocked"/>, with the first reason.</exception>
    public static async Task<StoreKey> OpenAsync(KeyStoreHead head, SecretBuffer? passphrase, CancellationToken cancellationToken)
    {
        VmCryptException? first = null;
        foreach (KeyProtector protector in head.Protectors
            .Where(one => (one.Kind == KeyProtectorKind.Passphrase) == (passphrase is not null))
            .OrderByDescending(one => one.Host == Environment.MachineName))
        {
            try
            {
                using SecretBuffer key = await WrappingKeyAsync(protector, passphrase, cancellationToken);
                return new StoreKey(Unwrap(head.Id, protector, key), head.Id);
            }
            catch (VmCryptException reason)
            {
                first ??= reason;
            }
        }

        string why = first is not null ? first.Message
            : passphrase is null ? "It needs its master passphrase."
            : "It has no master passphrase.";
        throw new WrongKeyException(ErrorIds.KeyStoreLocked, $"The key store cannot be opened. {why}", first);
    }

    public static KeyProtectorFacts FactsOf(KeyProtector protector) => new(protector.Id, protector.Kind, protector.Created, protector.Kind switch
    {
        KeyProtectorKind.Passphrase => $"argon2id, {protector.MemoryKiB} KiB, {protector.Passes} passes, {protector.Lanes} lanes",
        KeyProtectorKind.KeyFile => protector.Path!,
        KeyProtectorKind.Tpm => TpmProtection.DetailOf(protector),
        _ => "the account that made it",
    });

    private static async Task<SecretBuffer> WrappingKeyAsync(KeyProtector protector, SecretBuffer? passphrase, CancellationToken cancellationToken) => protector.Kind switch
    {
        KeyProtectorKind.Passphrase => await PassphraseProtection.OpenAsync(protector, passphrase!, cancellationToken),
        KeyProtectorKind.KeyFile => KeyFileProtection.Open(protector),
        KeyProtectorKind.Tpm => await TpmProtection.OpenAsync(protector, cancellationToken),
        _ => DpapiProtection.Open(protector),
    };

    internal static SecretBuffer Unwrap(Guid store, KeyProtector protector, SecretBuffer key)
    {
        if (key.Length != StoreKey.Size)
        {
            throw new WrongKeyException(ErrorIds.KeyStoreLocked,
                $"The protector {protector.Id} ({protector.Kind}) gives a key of {key.Length} bytes; it was made with one of {StoreKey.Size}.");
        }

        var storeKey = new SecretBuffer(StoreKey.Size);
        try
        {
            using var gcm = new AesGcm(key.Span, WrappedSecret.TagSize);
            gcm.Decrypt(protector.Nonce, protector.WrappedKey, protector.Tag, storeKey.Span, BoundTo(store, protector));
            return storeKey;
        }
        catch (AuthenticationTagMismatchException)
        {
            storeKey.Dispose();
            throw new WrongKeyException(ErrorIds.KeyStoreLocked, protector.Kind == KeyProtectorKind.Passphrase
                ? "The master passphrase is wrong."
                : $"The protector {protector.Id} ({protector.Kind}) gives another key than the one that the store was made with.");
        }
    }

    private static byte[] BoundTo(Guid store, KeyProtector protector)
    {
        var writer = new FieldWriter();
        writer.Bytes("vmcrypt key protector 1"u8);
        writer.Guid(store);
        writer.Guid(protector.Id);
        writer.Byte((byte)protector.Kind);
        return writer.ToArray();
    }
}
