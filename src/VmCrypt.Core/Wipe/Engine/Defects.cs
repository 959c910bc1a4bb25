using System.Collections.Immutable;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Wipe.Engine;

/// <summary>Places of one kind of trouble.</summary>
/// <param name="Bytes">All of them together; a place that fails in several passes counts once.</param>
/// <param name="Ranges">In order; at most <see cref="Defects.MaxListed"/> of them.</param>
public sealed record DefectList(long Bytes, ImmutableArray<ByteRange> Ranges)
{
    public static DefectList None { get; } = new(0, []);

    /// <summary>There are more places than are listed.</summary>
    public bool IsCut => Bytes > Ranges.Sum(range => range.Length);
}

/// <summary>Collects the places of one kind of trouble, from any thread.</summary>
/// <param name="what">Completes "… bytes of the medium".</param>
/// <param name="known">What earlier runs have found.</param>
/// <param name="limit">Beyond this many bytes a medium is not damaged but dead, and going on only costs time.</param>
internal sealed class Defects(string what, DefectList known, long limit)
{
    public const int MaxListed = 1000;

    private readonly Lock _gate = new();
    private DefectList _list = known;

    public DefectList List
    {
        get
        {
            lock (_gate)
            {
                return _list;
            }
        }
    }

    /// <summary>All of the range is listed.</summary>
    public bool Covers(ByteRange range) => List.Ranges.Any(known => known.Offset <= range.Offset && known.End >= range.End);

    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.WipeMediumFailing"/>.</exception>
    public void Add(ByteRange range)
    {
        lock (_gate)
        {
            ImmutableArray<ByteRange> merged = new RangeMap(_list.Ranges.Append(range)).Ranges;
            long listed = merged.Sum(part => part.Length) - _list.Ranges.Sum(part => part.Length);
            // Once the list is full, what does not touch it can only be counted.
            _list = merged.Length <= MaxListed
                ? new DefectList(_list.Bytes + listed, merged)
                : _list with { Bytes = _list.Bytes + range.Length };
            if (_list.Bytes > limit)
            {
                throw new DeviceFaultException(ErrorIds.WipeMediumFailing,
                    $"More than {limit} bytes of the medium {what}; it is failing as a whole.");
            }
        }
    }
}
