using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Images.Blocks;

/// <summary>Places in the file that blocks have left. One becomes free only when the tables on disk have let go of it, and nobody uses it.</summary>
/// <remarks>So a crash can only leak places. Used under the metadata lock.</remarks>
internal sealed class BlockSpace
{
    private readonly Queue<(GracePeriod.Generation Users, List<long> Places)> _written = [];
    private readonly Stack<long> _free = [];
    private List<long> _added = [];

    public void Add(long place) => _added.Add(place);

    /// <summary>What the capture of the tables that is made now lets go of.</summary>
    public List<long> Capture()
    {
        List<long> captured = _added;
        _added = [];
        return captured;
    }

    /// <summary>The capture did not reach the disk.</summary>
    public void Restore(List<long> captured) => _added.AddRange(captured);

    /// <summary>The capture is on disk.</summary>
    public void Written(List<long> captured, GracePeriod grace)
    {
        if (captured.Count > 0)
        {
            _written.Enqueue((grace.Advance(), captured));
        }
    }

    /// <summary>Frees what is ripe, once it reads as zeros.</summary>
    public async ValueTask ReleaseRipeAsync(BlockTable table, CancellationToken cancellationToken)
    {
        while (_written.TryPeek(out (GracePeriod.Generation Users, List<long> Places) oldest) && table.Grace.HasEnded(oldest.Users))
        {
            // Off the list first: if this stops half way, the rest leaks, and nothing is freed twice.
            _written.Dequeue();
            foreach (long place in oldest.Places)
            {
                await table.ClearAsync(place, cancellationToken);
                _free.Push(place);
            }
        }
    }

    /// <summary>Gives nothing away any more that was freed before.</summary>
    public void Forget()
    {
        _added.Clear();
        _written.Clear();
        _free.Clear();
    }

    public bool TryTake(out long place) => _free.TryPop(out place);
}
