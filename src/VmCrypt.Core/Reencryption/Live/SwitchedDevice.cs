using System.Runtime.CompilerServices;
using VmCrypt.Core.Block;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Reencryption.Live;

/// <summary>A disk that is another device's from some moment on, of the same length and content. Owns the device.</summary>
/// <remarks>Requests that come while it changes wait; where the change fails, they fail with it, and so do all that follow.</remarks>
internal sealed class SwitchedDevice(IBlockDevice first) : IBlockDevice
{
    private static readonly PayloadZone s_all = new(0, long.MaxValue);

    private readonly ZoneGate _gate = new();
    private IBlockDevice? _device = first;

    public long Length { get; } = first.Length;

    public BlockTraits Traits { get; } = first.Traits with { CanResize = false };

    /// <summary>Flushes and closes the device when no request is under way, and goes on with another.</summary>
    /// <param name="open">Opens it; nobody uses the disk meanwhile.</param>
    public async Task SwitchAsync(Func<Task<IBlockDevice>> open)
    {
        ZoneClaim claim = _gate.Claim();
        await _gate.ExtendAsync(claim, s_all, CancellationToken.None);
        try
        {
            // What was not flushed lies in its memory, so that it stays until that has worked.
            await _device!.FlushAsync(CancellationToken.None);
            _gate.Engage();
            (IBlockDevice old, _device) = (_device, null);
            await old.DisposeAsync();
            _device = await open();
        }
        catch (Exception fault)
        {
            _gate.Stop(fault);
            throw;
        }

        _gate.GiveBack(claim);
    }

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        UseAsync(device => device.ReadAsync(offset, buffer, cancellationToken), cancellationToken);

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
        UseAsync(device => device.WriteAsync(offset, buffer, cancellationToken), cancellationToken);

    public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) =>
        UseAsync(device => device.ZeroAsync(offset, count, flags, cancellationToken), cancellationToken);

    public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) =>
        UseAsync(device => device.TrimAsync(offset, count, cancellationToken), cancellationToken);

    public ValueTask FlushAsync(CancellationToken cancellationToken) => UseAsync(device => device.FlushAsync(cancellationToken), cancellationToken);

    public async IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Listed first: who looks at them one by one would keep the device.
        var found = new List<Extent>();
        await UseAsync(ListAsync, cancellationToken);
        foreach (Extent extent in found)
        {
            yield return extent;
        }

        async ValueTask ListAsync(IBlockDevice device)
        {
            await foreach (Extent extent in device.ExtentsAsync(offset, count, cancellationToken))
            {
                found.Add(extent);
            }
        }
    }

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        BlockGuard.Resizable(this, length);
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => _device?.DisposeAsync() ?? ValueTask.CompletedTask;

    private async ValueTask UseAsync(Func<IBlockDevice, ValueTask> request, CancellationToken cancellationToken)
    {
        using GuestHold hold = await _gate.EnterAsync(s_all, writes: true, cancellationToken);
        await request(_device!);
    }
}
