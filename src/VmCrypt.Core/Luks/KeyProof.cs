using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Luks;

/// <summary>The digest by which a header knows its volume key.</summary>
internal sealed record KeyProof(HashKind Hash, long Iterations, ReadOnlyMemory<byte> Salt, ReadOnlyMemory<byte> Value)
{
    /// <summary>
    /// Proves the same key as <paramref name="other"/>, also where LUKS1 keeps only the start of the value. What is false may be
    /// the same key under another salt, which takes the key itself to tell.
    /// </summary>
    public bool IsSameAs(KeyProof other)
    {
        int shorter = Math.Min(Value.Length, other.Value.Length);
        return Hash == other.Hash
            && Iterations == other.Iterations
            && Salt.Span.SequenceEqual(other.Salt.Span)
            && Value.Span[..shorter].SequenceEqual(other.Value.Span[..shorter]);
    }
}
