using System.Buffers.Binary;
using System.Security.Cryptography;

namespace VmCrypt.Core.Crypto.Hashes;

/// <summary>Hash and PBKDF2 over a compression function, for the hashes that the platform does not have.</summary>
internal static class MerkleDamgard<T>
    where T : ICompression
{
    private const int BlockSize = 64;

    public static void Hash(ReadOnlySpan<byte> source, Span<byte> digest)
    {
        Span<uint> state = stackalloc uint[T.StateWords];
        T.Start(state);
        Finish(state, absorbed: 0, source, digest);
    }

    /// <summary>PBKDF2 with HMAC (RFC 8018, section 5.2; RFC 2104).</summary>
    public static void Pbkdf2(ReadOnlySpan<byte> passphrase, ReadOnlySpan<byte> salt, int iterations, Span<byte> key)
    {
        Span<uint> inner = stackalloc uint[T.StateWords];
        Span<uint> outer = stackalloc uint[T.StateWords];
        StartHmac(passphrase, inner, outer);

        byte[] numberedSalt = [.. salt, 0, 0, 0, 0];
        Span<byte> block = stackalloc byte[T.DigestSize];
        for (uint number = 1; !key.IsEmpty; number++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(numberedSalt.AsSpan(salt.Length), number);
            DeriveBlock(inner, outer, numberedSalt, iterations, block);
            int count = Math.Min(block.Length, key.Length);
            block[..count].CopyTo(key);
            key = key[count..];
        }

        inner.Clear();
        outer.Clear();
        CryptographicOperations.ZeroMemory(block);
    }

    private static void DeriveBlock(ReadOnlySpan<uint> inner, ReadOnlySpan<uint> outer, ReadOnlySpan<byte> salt, int iterations, Span<byte> block)
    {
        // One digest, padded as the second part of a message whose first block was the HMAC key: only the digest ever changes.
        Span<byte> message = stackalloc byte[PaddedSize(T.DigestSize)];
        WritePadding(message, T.DigestSize, BlockSize + T.DigestSize);
        Span<byte> last = message[..T.DigestSize];
        Span<uint> state = stackalloc uint[T.StateWords];

        inner.CopyTo(state);
        Finish(state, BlockSize, salt, last);
        outer.CopyTo(state);
        Compress(state, message, last);
        last.CopyTo(block);
        for (int i = 1; i < iterations; i++)
        {
            inner.CopyTo(state);
            Compress(state, message, last);
            outer.CopyTo(state);
            Compress(state, message, last);
            XorSpan.Into(last, block);
        }

        CryptographicOperations.ZeroMemory(message);
        state.Clear();
    }

    private static void StartHmac(ReadOnlySpan<byte> key, Span<uint> inner, Span<uint> outer)
    {
        Span<byte> pad = stackalloc byte[BlockSize];
        pad.Clear();
        if (key.Length > BlockSize)
        {
            Hash(key, pad);
        }
        else
        {
            key.CopyTo(pad);
        }

        Add(pad, 0x36);
        T.Start(inner);
        T.Compress(inner, pad);
        Add(pad, 0x36 ^ 0x5C);
        T.Start(outer);
        T.Compress(outer, pad);
        CryptographicOperations.ZeroMemory(pad);

        static void Add(Span<byte> pad, byte value)
        {
            foreach (ref byte b in pad)
            {
                b ^= value;
            }
        }
    }

    /// <summary>Hashes the rest of a message of which <paramref name="absorbed"/> bytes are in the state already, which is wiped.</summary>
    private static void Finish(Span<uint> state, int absorbed, ReadOnlySpan<byte> source, Span<byte> digest)
    {
        int length = source.Length;
        for (; source.Length >= BlockSize; source = source[BlockSize..])
        {
            T.Compress(state, source[..BlockSize]);
        }

        Span<byte> end = stackalloc byte[PaddedSize(source.Length)];
        source.CopyTo(end);
        WritePadding(end, source.Length, (long)absorbed + length);
        Compress(state, end, digest);
        CryptographicOperations.ZeroMemory(end);
        state.Clear();
    }

    private static void Compress(Span<uint> state, ReadOnlySpan<byte> blocks, Span<byte> digest)
    {
        for (; !blocks.IsEmpty; blocks = blocks[BlockSize..])
        {
            T.Compress(state, blocks[..BlockSize]);
        }

        T.Finish(state, digest);
    }

    private static int PaddedSize(int tail) => tail + 1 + T.LengthSize <= BlockSize ? BlockSize : 2 * BlockSize;

    private static void WritePadding(Span<byte> message, int tail, long totalBytes)
    {
        message[tail..].Clear();
        message[tail] = 0x80;
        if (T.IsBigEndian)
        {
            BinaryPrimitives.WriteInt64BigEndian(message[^sizeof(long)..], totalBytes * 8);
        }
        else
        {
            BinaryPrimitives.WriteInt64LittleEndian(message[^sizeof(long)..], totalBytes * 8);
        }
    }
}
