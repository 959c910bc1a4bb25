using VmCrypt.Core.Block;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Block;

public sealed class OverlayDeviceTests : BlockDeviceContract
{
    protected override ValueTask<IBlockDevice> CreateAsync(byte[] content) =>
        new(new OverlayDevice(new MemoryDevice(content, writable: false), ownsBase: true));

    [Fact]
    public async Task Leaves_the_device_below_alone()
    {
        byte[] content = Noise(1 << 20);
        var below = new MemoryDevice([.. content]);
        await using (var device = new OverlayDevice(below, ownsBase: false))
        {
            await new RandomCalls(device, content, seed: 5).RunAsync(100, Token);
        }

        Assert.Equal(content, below.ToArray());
    }

    [Fact]
    public async Task Extents_tell_changed_from_zeroed_from_unchanged()
    {
        await using var device = new OverlayDevice(new MemoryDevice(4 * 65536, writable: false), ownsBase: true);
        await device.WriteAsync(65536, new byte[1], Token);
        await device.ZeroAsync(2 * 65536, 65536, ZeroFlags.None, Token);
        await device.SetLengthAsync(5 * 65536, Token);

        List<Extent> extents = [];
        await foreach (Extent extent in device.ExtentsAsync(0, device.Length, Token))
        {
            extents.Add(extent);
        }

        Assert.Equal(
            [ExtentKind.Data, ExtentKind.Data, ExtentKind.Zero, ExtentKind.Data, ExtentKind.Hole],
            extents.Select(extent => extent.Kind));
    }
}
