using VmCrypt.Core.Block;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Reencryption.Live;

/// <summary>The plain disk that a conversion hands to who uses it meanwhile.</summary>
internal sealed class LiveDisk : IAsyncDisposable
{
    private readonly TaskCompletionSource<IBlockDevice> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private IBlockDevice? _device;
    private ZoneGate? _gate;

    /// <summary>The disk, from when on it can be used: before the first zone, and after the recovery of one that was at work.</summary>
    public Task<IBlockDevice> Ready => _ready.Task;

    /// <summary>Called by the conversion when it has its keys.</summary>
    /// <param name="data">Holds the payload; borrowed.</param>
    /// <param name="plan">What becomes of it.</param>
    /// <param name="length">Bytes of the payload.</param>
    /// <param name="cipher">Taken.</param>
    /// <returns>What keeps both out of each other's way.</returns>
    public ZoneGate Attach(IBlockDevice data, IZonePlan plan, long length, PayloadCipher cipher)
    {
        _gate = new ZoneGate(() => _ready.SetResult(_device!));
        IBlockDevice plain = AlignedDevice.Over(new LivePayload(data, plan, length, cipher, _gate));
        // What becomes a raw disk is recognised by its first bytes, which its guest could make those of an image.
        _device = plan.Mode == ReencryptionMode.Decrypt ? new ProbedRawDevice(plain) : plain;
        return _gate;
    }

    /// <summary>The same for a disk that is more than its payload.</summary>
    /// <param name="open">Opens the disk behind a gate; it is taken.</param>
    public async ValueTask<ZoneGate> AttachAsync(Func<ZoneGate, ValueTask<IBlockDevice>> open)
    {
        var gate = new ZoneGate(() => _ready.SetResult(_device!));
        _device = await open(gate);
        return gate;
    }

    /// <summary>Runs <paramref name="change"/> while no read and no write is under way; flushes may be.</summary>
    public ValueTask RunAloneAsync(Func<ValueTask> change, CancellationToken cancellationToken) =>
        _gate?.RunAloneAsync(new PayloadZone(0, _device!.Length), change, cancellationToken) ?? change();

    public ValueTask DisposeAsync() => _device?.DisposeAsync() ?? ValueTask.CompletedTask;
}
