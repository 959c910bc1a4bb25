using System.Runtime.Versioning;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Medium;

namespace VmCrypt.Core.Wipe.Targets;

/// <summary>A whole block device or partition.</summary>
[SupportedOSPlatform("linux")]
internal sealed class DeviceTarget : WipeTarget
{
    private readonly HostDevice _device;
    private readonly DiskFacts? _disk;
    private readonly bool _direct;

    private DeviceTarget(HostDevice device)
    {
        _device = device;
        _disk = DiskFacts.Of(FileStatus.Of(Local.Handle).SpecialDevice);
        _direct = Local.TryBypassCache() is not null;
        Unit = _direct ? device.LogicalBlock : Math.Max(device.LogicalBlock, 4096);
        Map = new RangeMap([new ByteRange(0, device.Length)]);
        Facts = new MediumFacts
        {
            Kind = TargetKind.BlockDevice,
            Path = device.Path,
            Length = device.Length,
            AllocatedBytes = device.Length,
            Disk = _disk,
        };
        Findings = [.. MediumFindings.Of(Facts, null)];
    }

    public override MediumFacts Facts { get; }

    public override IReadOnlyList<WipeFinding> Findings { get; }

    public override string Identity =>
        $"disk {_disk?.Wwid ?? _disk?.Serial ?? _disk?.BackingFile ?? _disk?.Name ?? Local.Path} from={_disk?.Start ?? 0} bytes={_device.Length}";

    public override IBlockDevice Device => _device;

    public override int Unit { get; }

    public override bool IsCached => !_direct;

    public override RangeMap Map { get; }

    private ILocalDevice Local => _device;

    public static async ValueTask<DeviceTarget> OpenAsync(string path, CancellationToken cancellationToken)
    {
        TargetGuard.CheckDevice(path);
        return new DeviceTarget(await HostDevice.OpenAsync(path, LocalDiskOptions.ReadWrite, cancellationToken));
    }

    public override ValueTask BypassCacheAsync(CancellationToken cancellationToken)
    {
        if (!_direct)
        {
            Local.DropCache();
        }

        return ValueTask.CompletedTask;
    }

    public override void CheckUnchanged()
    {
        long length = Libc.Control(Local.Handle, Libc.BlockRequest.Size, out long now) == 0 ? now : 0;
        if (length != _device.Length)
        {
            throw Changed(_device.Path, $"it has {length} bytes and had {_device.Length}");
        }

        if (FileStatus.Of(_device.Path)?.SpecialDevice != FileStatus.Of(Local.Handle).SpecialDevice)
        {
            throw Changed(_device.Path, "another device, or none, has its name");
        }
    }
}
