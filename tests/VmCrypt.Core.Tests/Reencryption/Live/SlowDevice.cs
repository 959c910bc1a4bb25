using VmCrypt.Core.Block;

namespace VmCrypt.Core.Tests.Reencryption.Live;

/// <summary>Takes its time to flush, and now and then to write, as disks do: others get a turn between the steps of a conversion, and in them. Owns the device below.</summary>
internal sealed class SlowDevice(IBlockDevice inner) : FilterDevice(inner)
{
    private static readonly TimeSpan s_time = TimeSpan.FromMilliseconds(1);

    public override async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        if (Random.Shared.Next(4) == 0)
        {
            await Task.Delay(s_time, cancellationToken);
        }

        await base.WriteAsync(offset, buffer, cancellationToken);
    }

    public override async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        await Task.Delay(s_time, cancellationToken);
        await base.FlushAsync(cancellationToken);
    }
}
