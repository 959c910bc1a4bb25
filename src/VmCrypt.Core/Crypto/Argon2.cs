using System.Buffers.Binary;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto.Hashes;
using VmCrypt.Core.Crypto.MemoryHard;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Crypto;

/// <summary>Argon2i and Argon2id (RFC 9106), on as many cores as there are lanes.</summary>
public static class Argon2
{
    private const int Slices = 4;
    private const int FirstHashSize = 64;

    /// <summary>Fills <paramref name="key"/>, whose length is part of the computation. The caller has bounded <paramref name="cost"/>.</summary>
    /// <remarks>The memory is native, kept out of core dumps, and wiped at the end; a cancelled computation ends within milliseconds.</remarks>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.Argon2MemoryMissing"/>: this machine does not have the memory.</exception>
    public static void Derive(
        Argon2Variant variant, ReadOnlySpan<byte> passphrase, ReadOnlySpan<byte> salt, Argon2Cost cost, Span<byte> key,
        Argon2Version version = Argon2Version.V13, CancellationToken cancellationToken = default) =>
        Derive(variant, passphrase, salt, secret: [], associated: [], cost, key, version, Argon2Paths.Best, cancellationToken);

    /// <summary>The whole function, with the two inputs that LUKS does not use.</summary>
    internal static void Derive(
        Argon2Variant variant, ReadOnlySpan<byte> passphrase, ReadOnlySpan<byte> salt, ReadOnlySpan<byte> secret, ReadOnlySpan<byte> associated,
        Argon2Cost cost, Span<byte> key, Argon2Version version, Argon2Path path, CancellationToken cancellationToken)
    {
        int laneLength = cost.MemoryKiB / (Slices * cost.Lanes) * Slices;
        using var memory = new BlockMemory((long)laneLength * cost.Lanes);
        Start(memory, laneLength, FirstHash(variant, passphrase, salt, secret, associated, cost, key.Length, version));
        Fill(memory, variant, version, cost, laneLength, path, cancellationToken);
        Finish(memory, laneLength, cost.Lanes, key);
    }

    private static SecretBuffer FirstHash(
        Argon2Variant variant, ReadOnlySpan<byte> passphrase, ReadOnlySpan<byte> salt, ReadOnlySpan<byte> secret, ReadOnlySpan<byte> associated,
        Argon2Cost cost, int keySize, Argon2Version version)
    {
        using var message = new SecretBuffer((10 * sizeof(uint)) + passphrase.Length + salt.Length + secret.Length + associated.Length);
        var writer = new SpanWriter(message.Span);
        writer.UInt32LittleEndian((uint)cost.Lanes);
        writer.UInt32LittleEndian((uint)keySize);
        writer.UInt32LittleEndian((uint)cost.MemoryKiB);
        writer.UInt32LittleEndian((uint)cost.Passes);
        writer.UInt32LittleEndian((uint)version);
        writer.UInt32LittleEndian((uint)variant);
        WriteField(ref writer, passphrase);
        WriteField(ref writer, salt);
        WriteField(ref writer, secret);
        WriteField(ref writer, associated);

        var hash = new SecretBuffer(FirstHashSize);
        Blake2b.Hash(message.Span, hash.Span);
        return hash;

        static void WriteField(ref SpanWriter writer, ReadOnlySpan<byte> field)
        {
            writer.UInt32LittleEndian((uint)field.Length);
            writer.Bytes(field);
        }
    }

    /// <summary>Writes the first two blocks of each lane; takes <paramref name="firstHash"/>.</summary>
    private static void Start(BlockMemory memory, int laneLength, SecretBuffer firstHash)
    {
        using (firstHash)
        {
            using var seed = new SecretBuffer(FirstHashSize + (2 * sizeof(uint)));
            firstHash.Span.CopyTo(seed.Span);
            for (int lane = 0; lane < memory.Blocks / laneLength; lane++)
            {
                for (int block = 0; block < 2; block++)
                {
                    BinaryPrimitives.WriteInt32LittleEndian(seed.Span[FirstHashSize..], block);
                    BinaryPrimitives.WriteInt32LittleEndian(seed.Span[(FirstHashSize + sizeof(uint))..], lane);
                    LongHash(seed.Span, memory.Bytes(((long)lane * laneLength) + block));
                }
            }
        }
    }

    private static void Fill(
        BlockMemory memory, Argon2Variant variant, Argon2Version version, Argon2Cost cost, int laneLength, Argon2Path path,
        CancellationToken cancellationToken)
    {
        Action<SegmentPosition, CancellationToken> fill = path switch
        {
            Argon2Path.Avx512 => new SegmentFiller<VectorMixer<Quads512, Vector512<ulong>>>(memory, variant, version, cost, laneLength).Fill,
            Argon2Path.Avx2 => new SegmentFiller<VectorMixer<Quads256, Vector256<ulong>>>(memory, variant, version, cost, laneLength).Fill,
            _ => new SegmentFiller<PortableMixer>(memory, variant, version, cost, laneLength).Fill,
        };
        var options = new ParallelOptions
        {
            MaxDegreeOfParallelism = Environment.ProcessorCount,
            CancellationToken = cancellationToken,
        };
        for (int pass = 0; pass < cost.Passes; pass++)
        {
            for (int slice = 0; slice < Slices; slice++)
            {
                Parallel.For(0, cost.Lanes, options, lane => fill(new SegmentPosition(pass, slice, lane), cancellationToken));
            }
        }
    }

    private static void Finish(BlockMemory memory, int laneLength, int lanes, Span<byte> key)
    {
        using var last = SecretBuffer.CopyOf(memory.Bytes(laneLength - 1));
        for (int lane = 1; lane < lanes; lane++)
        {
            XorSpan.Into(memory.Bytes(((long)(lane + 1) * laneLength) - 1), last.Span);
        }

        LongHash(last.Span, key);
    }

    // H' of RFC 9106, section 3.3: a chain of which each link gives its first half, the last all.
    private static void LongHash(ReadOnlySpan<byte> source, Span<byte> target)
    {
        const int Half = Blake2b.MaxDigestSize / 2;
        using var message = new SecretBuffer(sizeof(uint) + source.Length);
        BinaryPrimitives.WriteInt32LittleEndian(message.Span, target.Length);
        source.CopyTo(message.Span[sizeof(uint)..]);

        Span<byte> link = stackalloc byte[Math.Min(target.Length, Blake2b.MaxDigestSize)];
        Blake2b.Hash(message.Span, link);
        while (target.Length > Blake2b.MaxDigestSize)
        {
            link[..Half].CopyTo(target);
            target = target[Half..];
            Blake2b.Hash(link, link[..Math.Min(target.Length, link.Length)]);
        }

        link[..target.Length].CopyTo(target);
        CryptographicOperations.ZeroMemory(link);
    }
}
