using System.Security.Cryptography;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Wipe.Journal;

/// <summary>Seals the parts of one journal: AES-256-GCM under a key that the host key and the journal's own salt yield.</summary>
internal sealed class JournalBox : IDisposable
{
    public const int SaltSize = 16;

    /// <summary>Bytes by which a sealed part is longer: nonce and tag, in front of the ciphertext.</summary>
    public const int Overhead = NonceSize + TagSize;

    public const int CheckSize = 16;

    private const int NonceSize = 12;
    private const int TagSize = 16;

    private readonly AesGcm _cipher;
    private readonly byte[] _check = new byte[CheckSize];

    public JournalBox(SecretBuffer hostKey, ReadOnlySpan<byte> salt)
    {
        using var key = new SecretBuffer(32);
        HKDF.DeriveKey(HashAlgorithmName.SHA256, hostKey.Span, key.Span, salt, "vmcrypt wipe journal"u8);
        HKDF.DeriveKey(HashAlgorithmName.SHA256, hostKey.Span, _check, salt, "vmcrypt wipe journal check"u8);
        _cipher = new AesGcm(key.Span, TagSize);
    }

    /// <summary>Tells whether a journal was sealed under this host's key, before anything in it is trusted.</summary>
    public ReadOnlySpan<byte> Check => _check;

    /// <param name="purpose">Bound to the part: it opens for no other purpose.</param>
    public byte[] Seal(ReadOnlySpan<byte> purpose, ReadOnlySpan<byte> content)
    {
        byte[] sealedPart = new byte[Overhead + content.Length];
        Span<byte> nonce = sealedPart.AsSpan(0, NonceSize);
        RandomNumberGenerator.Fill(nonce);
        _cipher.Encrypt(nonce, content, sealedPart.AsSpan(Overhead), sealedPart.AsSpan(NonceSize, TagSize), purpose);
        return sealedPart;
    }

    /// <summary>False where the part was changed, torn, or sealed for something else.</summary>
    public bool TryOpen(ReadOnlySpan<byte> purpose, ReadOnlySpan<byte> sealedPart, Span<byte> content)
    {
        try
        {
            _cipher.Decrypt(sealedPart[..NonceSize], sealedPart[Overhead..], sealedPart.Slice(NonceSize, TagSize), content, purpose);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    public void Dispose() => _cipher.Dispose();
}
