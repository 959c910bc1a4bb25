using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Reencryption.Live;

/// <summary>A request of the guest that is under way; while it is, its range stays what it is, old or new.</summary>
internal sealed class GuestHold(ZoneGate gate, PayloadZone range, bool writes) : IDisposable
{
    private TaskCompletionSource? _left;

    public PayloadZone Range => range;

    public bool Writes => writes;

    /// <summary>Its place among the gate's guests.</summary>
    public LinkedListNode<GuestHold> Node { get; set; } = null!;

    /// <summary>Ends when the request does. Asked for under the gate's lock, as <see cref="Leave"/> is called.</summary>
    public Task Left => (_left ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    public void Leave() => _left?.SetResult();

    public void Dispose() => gate.Leave(this);
}
