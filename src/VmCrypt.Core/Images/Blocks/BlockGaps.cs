namespace VmCrypt.Core.Images.Blocks;

/// <summary>The room between what a file holds, given away from the front in places for blocks.</summary>
internal sealed class BlockGaps
{
    private readonly BlockTable _table;
    private readonly Queue<(long Start, long End)> _gaps = [];
    private (long Start, long End) _open;

    /// <param name="occupied">In any order; may overlap.</param>
    public BlockGaps(IEnumerable<HostArea> occupied, BlockTable table)
    {
        _table = table;
        long at = 0;
        foreach (HostArea area in occupied.Where(area => area.Length > 0).OrderBy(area => area.Offset))
        {
            if (area.Offset > at)
            {
                _gaps.Enqueue((at, area.Offset));
            }

            at = Math.Max(at, area.End);
        }
    }

    /// <summary>A place for a block's data wholly before <paramref name="limit"/>; false where no gap has one.</summary>
    public bool TryTake(long limit, out long place)
    {
        while (true)
        {
            long end = Math.Min(_open.End, limit - _table.LeadBytes);
            if (FitsBefore(end, _table.GoodAlignment, out place) || FitsBefore(end, _table.PlaceAlignment, out place))
            {
                _open.Start = place + _table.BlockSize;
                return true;
            }

            if (!_gaps.TryPeek(out (long Start, long End) next) || next.Start >= limit)
            {
                return false;
            }

            _open = _gaps.Dequeue();
        }
    }

    private bool FitsBefore(long end, int alignment, out long place)
    {
        place = (_open.Start + _table.LeadBytes + alignment - 1) / alignment * alignment;
        return place + _table.BlockSize <= end;
    }
}
