using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Security.Cryptography;

namespace VmCrypt.Core.Wipe.Engine;

/// <summary>A piece of work: bytes of the target, and where they stand when all ranges are laid end to end.</summary>
internal readonly record struct Chunk(long Position, long Offset, int Length);

/// <summary>The ranges that a wipe covers, in order and without overlap. A position counts covered bytes only.</summary>
internal sealed class RangeMap
{
    // Position at which each range begins.
    private readonly long[] _starts;

    /// <summary>Sorts the ranges and merges those that touch or overlap.</summary>
    public RangeMap(IEnumerable<ByteRange> ranges)
    {
        Ranges = Merge(ranges);
        _starts = new long[Ranges.Length];
        foreach ((int index, ByteRange range) in Ranges.Index())
        {
            _starts[index] = TotalBytes;
            TotalBytes += range.Length;
        }
    }

    public ImmutableArray<ByteRange> Ranges { get; }

    public long TotalBytes { get; }

    /// <summary>The work from <paramref name="position"/> on; pieces end at multiples of <paramref name="size"/> of the target, so that they stay aligned.</summary>
    public IEnumerable<Chunk> ChunksFrom(long position, int size)
    {
        for (int index = IndexOf(position); index < Ranges.Length; index++)
        {
            ByteRange range = Ranges[index];
            for (long at = range.Offset + (position - _starts[index]); at < range.End;)
            {
                int length = (int)Math.Min(size - (at % size), range.End - at);
                yield return new Chunk(position, at, length);
                at += length;
                position += length;
            }
        }
    }

    /// <summary>SHA-256 of offsets and lengths: two maps are the same if their digests are.</summary>
    public byte[] Digest()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> pair = stackalloc byte[16];
        foreach (ByteRange range in Ranges)
        {
            BinaryPrimitives.WriteInt64LittleEndian(pair, range.Offset);
            BinaryPrimitives.WriteInt64LittleEndian(pair[8..], range.Length);
            hash.AppendData(pair);
        }

        return hash.GetHashAndReset();
    }

    private int IndexOf(long position)
    {
        int index = Array.BinarySearch(_starts, position);
        return index >= 0 ? index : Math.Max(0, ~index - 1);
    }

    private static ImmutableArray<ByteRange> Merge(IEnumerable<ByteRange> ranges)
    {
        ImmutableArray<ByteRange>.Builder merged = ImmutableArray.CreateBuilder<ByteRange>();
        foreach (ByteRange range in ranges.Where(range => range.Length > 0).OrderBy(range => range.Offset))
        {
            if (merged.Count > 0 && merged[^1].End >= range.Offset)
            {
                merged[^1] = merged[^1] with { Length = Math.Max(merged[^1].End, range.End) - merged[^1].Offset };
            }
            else
            {
                merged.Add(range);
            }
        }

        return merged.ToImmutable();
    }
}
