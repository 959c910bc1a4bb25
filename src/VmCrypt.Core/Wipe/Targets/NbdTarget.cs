using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Medium;

namespace VmCrypt.Core.Wipe.Targets;

/// <summary>A disk behind an NBD server: what the server calls allocated.</summary>
internal sealed class NbdTarget : WipeTarget
{
    private readonly NbdUri _uri;
    private readonly NbdDevice _device;

    private NbdTarget(NbdUri uri, NbdDevice device, RangeMap map)
    {
        _uri = uri;
        _device = device;
        Map = map;
        Facts = new MediumFacts { Kind = TargetKind.Nbd, Path = uri.ToString(), Length = device.Length, AllocatedBytes = map.TotalBytes };
    }

    public override MediumFacts Facts { get; }

    public override IReadOnlyList<WipeFinding> Findings =>
    [
        new(FindingKind.BehindServer, FindingWeight.Exception,
            "The disk lies behind an NBD server: whether it overwrites in place, and what copies it keeps, cannot be seen from here."),
    ];

    public override string Identity => $"nbd {_uri} bytes={_device.Length}";

    public override IBlockDevice Device => _device;

    public override int Unit => Math.Max(_device.Traits.RequiredAlignment, 512);

    public override RangeMap Map { get; }

    public static async ValueTask<NbdTarget> OpenAsync(NbdUri uri, CancellationToken cancellationToken)
    {
        NbdDevice device = await NbdDevice.ConnectAsync(uri, NbdClientOptions.Default, cancellationToken);
        try
        {
            if (!device.Traits.CanWrite)
            {
                throw new DeviceFaultException(ErrorIds.DeviceReadOnly, $"The server of '{uri}' exports it read-only.");
            }

            var ranges = new List<ByteRange>();
            await foreach (Extent extent in device.ExtentsAsync(0, device.Length, cancellationToken))
            {
                if (extent.Kind != ExtentKind.Hole)
                {
                    ranges.Add(new ByteRange(extent.Offset, extent.Length));
                }
            }

            return new NbdTarget(uri, device, new RangeMap(ranges));
        }
        catch
        {
            await device.DisposeAsync();
            throw;
        }
    }

    /// <summary>The server alone knows its caches; the finding says so.</summary>
    public override ValueTask BypassCacheAsync(CancellationToken cancellationToken) => _device.FlushAsync(cancellationToken);

    public override void CheckUnchanged()
    {
        // An export keeps its size while a client is connected.
    }
}
