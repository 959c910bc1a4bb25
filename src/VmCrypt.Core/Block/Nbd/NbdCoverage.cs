namespace VmCrypt.Core.Block.Nbd;

/// <summary>Which bytes of a read have come; chunks may come in any order, but never twice.</summary>
internal struct NbdCoverage
{
    // Honest servers send chunks nearly in order; one that scatters more than this wastes our time on purpose.
    private const int MaxPieces = 4096;

    private List<(uint Start, uint End)>? _pieces;
    private uint _inOrder;

    /// <summary>True when bytes 0 to <paramref name="length"/> are all there.</summary>
    public readonly bool IsWhole(uint length) => _inOrder == length;

    /// <summary>False when some of the range was there already, or too many gaps are open.</summary>
    public bool TryAdd(uint start, uint length)
    {
        uint end = start + length;
        if (start < _inOrder)
        {
            return false;
        }

        int at = _pieces is null ? 0 : ~_pieces.BinarySearch((start, uint.MaxValue));
        if (_pieces is not null && ((at > 0 && _pieces[at - 1].End > start) || (at < _pieces.Count && _pieces[at].Start < end)))
        {
            return false;
        }

        if (start == _inOrder)
        {
            _inOrder = end;
            AbsorbPieces();
            return true;
        }

        (_pieces ??= []).Insert(at, (start, end));
        return _pieces.Count <= MaxPieces;
    }

    private void AbsorbPieces()
    {
        while (_pieces is { Count: > 0 } && _pieces[0].Start == _inOrder)
        {
            _inOrder = _pieces[0].End;
            _pieces.RemoveAt(0);
        }
    }
}
