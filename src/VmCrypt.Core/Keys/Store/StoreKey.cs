using System.Security.Cryptography;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Store.Files;

namespace VmCrypt.Core.Keys.Store;

/// <summary>The key of one store: wraps the secrets of disks, and marks what belongs to the store.</summary>
/// <remarks>
/// 32 random bytes, from which HKDF-SHA256 (salt: the store's id) makes one key for AES-256-GCM and one for HMAC-SHA256. A secret is
/// bound to its store, record, disk, role and slot by the additional data; nonces are random, so one store may wrap 2^32 secrets.
/// </remarks>
internal sealed class StoreKey : IDisposable
{
    public const int Size = 32;
    public const int MacSize = 32;

    private readonly SecretBuffer _key;
    private readonly SecretBuffer _marking;
    private readonly AesGcm _sealing;
    private readonly Guid _store;

    /// <summary>Takes <paramref name="key"/>.</summary>
    public StoreKey(SecretBuffer key, Guid store)
    {
        _key = key.Move();
        _store = store;
        using SecretBuffer sealing = Derive("vmcrypt key store: secrets"u8);
        _sealing = new AesGcm(sealing.Span, WrappedSecret.TagSize);
        _marking = Derive("vmcrypt key store: records"u8);
    }

    /// <summary>The id of the store.</summary>
    public Guid Store => _store;

    /// <summary>The 32 bytes, for a protector to wrap; borrowed.</summary>
    public SecretBuffer Raw => _key;

    public WrappedSecret Wrap(Guid entry, DiskIdentity disk, SecretRole role, int? slot, SecretBuffer secret)
    {
        if (secret.Length is 0 or > WrappedSecret.MaxSecret)
        {
            throw new InvalidInputException(ErrorIds.DiskKeyInvalid, $"The secret has {secret.Length} bytes; the key store takes 1 to {WrappedSecret.MaxSecret}.");
        }

        var wrapped = new WrappedSecret(role, slot, RandomNumberGenerator.GetBytes(WrappedSecret.NonceSize), new byte[WrappedSecret.TagSize], new byte[secret.Length]);
        _sealing.Encrypt(wrapped.Nonce, secret.Span, wrapped.Ciphertext, wrapped.Tag, BoundTo(entry, disk, role, slot));
        return wrapped;
    }

    /// <summary>The secret, owned by the caller.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.DiskKeyForged"/>: it was wrapped for another record, or changed.</exception>
    public SecretBuffer Unwrap(DiskKeyEntry entry, WrappedSecret wrapped)
    {
        var secret = new SecretBuffer(wrapped.Ciphertext.Length);
        try
        {
            _sealing.Decrypt(wrapped.Nonce, wrapped.Ciphertext, wrapped.Tag, secret.Span, BoundTo(entry.Id, entry.Disk, wrapped.Role, wrapped.Slot));
            return secret;
        }
        catch (AuthenticationTagMismatchException)
        {
            secret.Dispose();
            throw new InvalidImageException(ErrorIds.DiskKeyForged,
                $"The stored secret of '{entry.Disk.Path}' was not stored for this record: somebody has changed the record or exchanged secrets.");
        }
    }

    /// <summary>The mark of a record: HMAC over the mark before it and its own bytes.</summary>
    public void Mark(ReadOnlySpan<byte> previous, ReadOnlySpan<byte> covered, Span<byte> mark)
    {
        using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, _marking.Span);
        hmac.AppendData(previous);
        hmac.AppendData(covered);
        hmac.GetHashAndReset(mark);
    }

    public bool IsMark(ReadOnlySpan<byte> previous, ReadOnlySpan<byte> covered, ReadOnlySpan<byte> mark)
    {
        Span<byte> expected = stackalloc byte[MacSize];
        Mark(previous, covered, expected);
        return CryptographicOperations.FixedTimeEquals(expected, mark);
    }

    public void Dispose()
    {
        _sealing.Dispose();
        _marking.Dispose();
        _key.Dispose();
    }

    private SecretBuffer Derive(ReadOnlySpan<byte> purpose)
    {
        Span<byte> salt = stackalloc byte[16];
        _store.TryWriteBytes(salt, bigEndian: true, out _);
        var derived = new SecretBuffer(Size);
        HKDF.DeriveKey(HashAlgorithmName.SHA256, _key.Span, derived.Span, salt, purpose);
        return derived;
    }

    private byte[] BoundTo(Guid entry, DiskIdentity disk, SecretRole role, int? slot)
    {
        var writer = new FieldWriter();
        writer.Bytes("vmcrypt disk key 1"u8);
        writer.Guid(_store);
        writer.Guid(entry);
        writer.Byte((byte)role);
        writer.UInt16((ushort)(slot ?? ushort.MaxValue));
        writer.Block(disk.ToBytes());
        return writer.ToArray();
    }
}
