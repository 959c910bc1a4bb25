namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Exclusive holds on ranges of guest clusters, first come first served: whoever changes what a cluster maps to holds it.</summary>
internal sealed class GuestRangeLock
{
    private readonly Lock _lock = new();
    private readonly LinkedList<Claim> _claims = [];

    /// <param name="first">First cluster.</param>
    /// <param name="last">Last cluster, included.</param>
    public async ValueTask<Hold> EnterAsync(long first, long last, CancellationToken cancellationToken)
    {
        var claim = new Claim(first, last);
        LinkedListNode<Claim> node;
        lock (_lock)
        {
            node = _claims.AddLast(claim);
            GrantFree();
        }

        var hold = new Hold(this, node);
        try
        {
            await claim.Granted.Task.WaitAsync(cancellationToken);
        }
        catch
        {
            hold.Dispose();
            throw;
        }

        return hold;
    }

    // A claim is granted when no earlier one, granted or waiting, overlaps it: nobody is overtaken for ever.
    private void GrantFree()
    {
        for (LinkedListNode<Claim>? node = _claims.First; node is not null; node = node.Next)
        {
            if (!node.Value.Granted.Task.IsCompleted && !OverlapsEarlier(node))
            {
                node.Value.Granted.SetResult();
            }
        }
    }

    private static bool OverlapsEarlier(LinkedListNode<Claim> node)
    {
        for (LinkedListNode<Claim>? earlier = node.Previous; earlier is not null; earlier = earlier.Previous)
        {
            if (earlier.Value.First <= node.Value.Last && node.Value.First <= earlier.Value.Last)
            {
                return true;
            }
        }

        return false;
    }

    private void Leave(LinkedListNode<Claim> node)
    {
        lock (_lock)
        {
            _claims.Remove(node);
            GrantFree();
        }
    }

    internal sealed record Claim(long First, long Last)
    {
        public TaskCompletionSource Granted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    internal readonly struct Hold(GuestRangeLock owner, LinkedListNode<Claim> node) : IDisposable
    {
        public void Dispose() => owner.Leave(node);
    }
}
