using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Core.Wipe.Patterns;

/// <summary>A standard with its dice thrown: order, random bytes and stream keys, all derived from one seed.</summary>
/// <remarks>The seed is all that a journal must keep secret: with it a resumed wipe writes the very same bytes.</remarks>
internal sealed class PassSequence : IDisposable
{
    public const int SeedSize = 32;

    private readonly SecretBuffer _seed;
    private readonly WipePass[] _passes;

    /// <summary>Takes <paramref name="seed"/>.</summary>
    public PassSequence(WipeStandard standard, SecretBuffer seed)
    {
        _seed = seed;
        _passes = [.. standard.Passes];
        if (standard.Shuffle is var (first, last))
        {
            ShuffleBySeed(_passes.AsSpan(first - 1, last - first + 1));
        }
    }

    public int Count => _passes.Length;

    /// <summary>Decides which chunks a sampling verification reads.</summary>
    public ulong SampleKey
    {
        get
        {
            Span<byte> key = stackalloc byte[sizeof(ulong)];
            Derive("sample", key);
            return BinaryPrimitives.ReadUInt64LittleEndian(key);
        }
    }

    /// <summary>What pass <paramref name="number"/> (from 1) writes, in words: <c>0xFF</c>, <c>random stream</c>.</summary>
    public string Describe(int number)
    {
        (WipePass origin, int of, bool complement) = Trace(number);
        return origin.Kind switch
        {
            WipePassKind.Random => complement ? $"complement of the random stream of pass {of}" : "random stream",
            _ => "0x" + Convert.ToHexString(BytesOf(origin, of, complement)),
        };
    }

    /// <summary>Pass <paramref name="number"/> writes a stream, which has to be made.</summary>
    public bool IsRandom(int number) => Trace(number).Origin.Kind == WipePassKind.Random;

    /// <summary>The content of pass <paramref name="number"/> (from 1); the caller disposes it.</summary>
    public PassContent Open(int number)
    {
        (WipePass origin, int of, bool complement) = Trace(number);
        if (origin.Kind != WipePassKind.Random)
        {
            return new PatternContent(BytesOf(origin, of, complement));
        }

        using SecretBuffer key = new(KeystreamContent.KeySize);
        Derive($"pass {of} stream", key.Span);
        return new KeystreamContent(key, complement);
    }

    public void Dispose() => _seed.Dispose();

    // Follows complements back to the pass that they rest on.
    private (WipePass Origin, int Of, bool Complement) Trace(int number)
    {
        bool complement = false;
        WipePass pass = _passes[number - 1];
        while (pass.Kind == WipePassKind.Complement)
        {
            complement = !complement;
            number = pass.Of;
            pass = _passes[number - 1];
        }

        return (pass, number, complement);
    }

    private byte[] BytesOf(WipePass origin, int number, bool complement)
    {
        byte[] bytes = origin.Pattern.ToArray();
        if (origin.Kind == WipePassKind.RandomByte)
        {
            bytes = new byte[1];
            Derive($"pass {number} byte", bytes);
        }

        return complement ? [.. bytes.Select(value => (byte)~value)] : bytes;
    }

    private void ShuffleBySeed(Span<WipePass> passes)
    {
        byte[] dice = new byte[4 * passes.Length];
        Derive("order", dice);
        for (int i = passes.Length - 1; i > 0; i--)
        {
            int j = (int)(BinaryPrimitives.ReadUInt32LittleEndian(dice.AsSpan(4 * i)) % (uint)(i + 1));
            (passes[i], passes[j]) = (passes[j], passes[i]);
        }
    }

    private void Derive(string purpose, Span<byte> target) =>
        HKDF.Expand(HashAlgorithmName.SHA256, _seed.Span, target, Encoding.ASCII.GetBytes("vmcrypt wipe " + purpose));
}
