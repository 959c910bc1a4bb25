using System.Buffers.Binary;
using System.Security.Cryptography;

namespace VmCrypt.Core.Crypto;

/// <summary>The anti-forensic splitter of LUKS: spreads a key over many stripes so that losing any one destroys it (LUKS1 specification, section 2.4).</summary>
public static class AntiForensic
{
    /// <summary>Fills <paramref name="material"/> (stripes × key length) with random stripes that merge to <paramref name="key"/>.</summary>
    public static void Split(HashKind hash, ReadOnlySpan<byte> key, Span<byte> material, int stripes)
    {
        Span<byte> head = material[..(key.Length * (stripes - 1))];
        RandomNumberGenerator.Fill(head);
        Span<byte> last = material.Slice(head.Length, key.Length);
        last.Clear();
        Fold(hash, head, last);
        XorSpan.Into(key, last);
    }

    /// <summary>Recovers the key of <paramref name="key"/>'s length from <paramref name="material"/>.</summary>
    public static void Merge(HashKind hash, ReadOnlySpan<byte> material, Span<byte> key, int stripes)
    {
        key.Clear();
        int head = key.Length * (stripes - 1);
        Fold(hash, material[..head], key);
        XorSpan.Into(material.Slice(head, key.Length), key);
    }

    private static void Fold(HashKind hash, ReadOnlySpan<byte> stripes, Span<byte> state)
    {
        using var digest = new RepeatedDigest(hash);
        for (; !stripes.IsEmpty; stripes = stripes[state.Length..])
        {
            XorSpan.Into(stripes[..state.Length], state);
            Diffuse(digest, state);
        }
    }

    // Each digest-sized block becomes H(be32(index) || block); a shorter last block is hashed at its length and truncated.
    private static void Diffuse(RepeatedDigest hash, Span<byte> state)
    {
        int size = hash.Size;
        Span<byte> input = stackalloc byte[4 + size];
        Span<byte> digest = stackalloc byte[size];
        for (int index = 0, at = 0; at < state.Length; index++, at += size)
        {
            Span<byte> block = state.Slice(at, Math.Min(size, state.Length - at));
            BinaryPrimitives.WriteInt32BigEndian(input, index);
            block.CopyTo(input[4..]);
            hash.Hash(input[..(4 + block.Length)], digest);
            digest[..block.Length].CopyTo(block);
        }

        CryptographicOperations.ZeroMemory(input);
        CryptographicOperations.ZeroMemory(digest);
    }
}
