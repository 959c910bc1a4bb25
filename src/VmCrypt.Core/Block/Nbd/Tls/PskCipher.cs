using System.Buffers.Binary;
using System.Security.Cryptography;
using Org.BouncyCastle.Crypto.Tls;

namespace VmCrypt.Core.Block.Nbd.Tls;

/// <summary>Records of TLS 1.2 under AES-GCM (RFC 5288) or ChaCha20-Poly1305 (RFC 7905), ciphered by .NET.</summary>
internal sealed class PskCipher : TlsCipher
{
    private const int NonceSize = 12;
    private const int TagSize = 16;
    private const int ExplicitNonceSize = 8;
    private const int HeaderSize = 13;

    private readonly Direction _write;
    private readonly Direction _read;

    // AES-GCM sends the changing part of its nonce; ChaCha20-Poly1305 makes it of the record's number.
    private readonly int _explicitSize;

    private PskCipher(TlsContext context, int keySize, bool gcm)
    {
        _explicitSize = gcm ? ExplicitNonceSize : 0;
        int fixedSize = NonceSize - _explicitSize;
        SecurityParameters agreed = context.SecurityParameters;
        byte[] block = TlsUtilities.PRF(
            context, agreed.MasterSecret, "key expansion", [.. agreed.ServerRandom, .. agreed.ClientRandom], 2 * (keySize + fixedSize));
        var client = new Direction(block.AsSpan(0, keySize), block.AsSpan(2 * keySize, fixedSize), gcm);
        var server = new Direction(block.AsSpan(keySize, keySize), block.AsSpan((2 * keySize) + fixedSize, fixedSize), gcm);
        CryptographicOperations.ZeroMemory(block);
        (_write, _read) = context.IsServer ? (server, client) : (client, server);
    }

    public static TlsCipherFactory Factory { get; } = new Maker();

    public int GetPlaintextLimit(int ciphertextLimit) => ciphertextLimit - TagSize - _explicitSize;

    public byte[] EncodePlaintext(long seqNo, byte type, byte[] plaintext, int offset, int len)
    {
        byte[] record = new byte[_explicitSize + len + TagSize];
        Span<byte> nonce = stackalloc byte[NonceSize];
        _write.Nonce(nonce, seqNo);
        nonce[^_explicitSize..].CopyTo(record);
        Span<byte> header = stackalloc byte[HeaderSize];
        WriteHeader(header, seqNo, type, len);
        _write.Encrypt(nonce, plaintext.AsSpan(offset, len), record.AsSpan(_explicitSize, len), record.AsSpan(_explicitSize + len), header);
        return record;
    }

    public byte[] DecodeCiphertext(long seqNo, byte type, byte[] ciphertext, int offset, int len)
    {
        int length = len - _explicitSize - TagSize;
        if (length < 0)
        {
            throw new TlsFatalAlert(AlertDescription.decode_error);
        }

        ReadOnlySpan<byte> record = ciphertext.AsSpan(offset, len);
        Span<byte> nonce = stackalloc byte[NonceSize];
        _read.Nonce(nonce, seqNo);
        record[.._explicitSize].CopyTo(nonce[^_explicitSize..]);
        Span<byte> header = stackalloc byte[HeaderSize];
        WriteHeader(header, seqNo, type, length);
        byte[] plaintext = new byte[length];
        return _read.TryDecrypt(nonce, record.Slice(_explicitSize, length), record[^TagSize..], plaintext, header)
            ? plaintext
            : throw new TlsFatalAlert(AlertDescription.bad_record_mac);
    }

    /// <remarks>0 number u64 | 8 type u8 | 9 version u16 | 11 length u16</remarks>
    private static void WriteHeader(Span<byte> header, long number, byte type, int length)
    {
        BinaryPrimitives.WriteInt64BigEndian(header, number);
        header[8] = type;
        BinaryPrimitives.WriteUInt16BigEndian(header[9..], 0x0303);
        BinaryPrimitives.WriteUInt16BigEndian(header[11..], (ushort)length);
    }

    /// <summary>One side's key, and the part of its nonces that does not change.</summary>
    private sealed class Direction
    {
        private readonly byte[] _fixed;
        private readonly AesGcm? _gcm;
        private readonly ChaCha20Poly1305? _chaCha;

        public Direction(ReadOnlySpan<byte> key, ReadOnlySpan<byte> fixedPart, bool gcm)
        {
            _fixed = fixedPart.ToArray();
            _gcm = gcm ? new AesGcm(key, TagSize) : null;
            _chaCha = gcm ? null : new ChaCha20Poly1305(key);
        }

        public void Nonce(Span<byte> nonce, long number)
        {
            nonce.Clear();
            BinaryPrimitives.WriteInt64BigEndian(nonce[(NonceSize - sizeof(long))..], number);
            for (int i = 0; i < _fixed.Length; i++)
            {
                nonce[i] ^= _fixed[i];
            }
        }

        public void Encrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plain, Span<byte> cipher, Span<byte> tag, ReadOnlySpan<byte> header)
        {
            _gcm?.Encrypt(nonce, plain, cipher, tag, header);
            _chaCha?.Encrypt(nonce, plain, cipher, tag, header);
        }

        public bool TryDecrypt(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> cipher, ReadOnlySpan<byte> tag, Span<byte> plain, ReadOnlySpan<byte> header)
        {
            try
            {
                _gcm?.Decrypt(nonce, cipher, tag, plain, header);
                _chaCha?.Decrypt(nonce, cipher, tag, plain, header);
                return true;
            }
            catch (AuthenticationTagMismatchException)
            {
                return false;
            }
        }
    }

    private sealed class Maker : TlsCipherFactory
    {
        public TlsCipher CreateCipher(TlsContext context, int encryptionAlgorithm, int macAlgorithm) => encryptionAlgorithm switch
        {
            EncryptionAlgorithm.CHACHA20_POLY1305 => new PskCipher(context, keySize: 32, gcm: false),
            EncryptionAlgorithm.AES_256_GCM => new PskCipher(context, keySize: 32, gcm: true),
            EncryptionAlgorithm.AES_128_GCM => new PskCipher(context, keySize: 16, gcm: true),
            _ => throw new TlsFatalAlert(AlertDescription.internal_error),
        };
    }
}
