using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Block;

public sealed class DeviceStreamTests
{
    [Fact]
    public void Reads_writes_seeks_and_ends_like_a_stream()
    {
        byte[] bytes = [.. Enumerable.Range(0, 1000).Select(i => (byte)i)];
        var device = new MemoryDevice([.. bytes]);
        using var stream = new DeviceStream(device, owned: device);

        stream.Seek(-10, SeekOrigin.End);
        byte[] tail = new byte[20];
        Assert.Equal(10, stream.Read(tail));
        Assert.Equal(bytes[990..], tail[..10]);
        Assert.Equal(0, stream.Read(tail));

        stream.Position = 5;
        stream.Write([1, 2, 3]);
        Assert.Equal(8, stream.Position);
        stream.Position = 4;
        Assert.Equal([4, 1, 2, 3, 8], new BinaryReader(stream).ReadBytes(5));
    }

    [Fact]
    public async Task Grows_a_device_that_can()
    {
        var device = new MemoryDevice(10);
        await using var stream = new DeviceStream(device, owned: null);
        stream.Position = 20;

        await stream.WriteAsync(new byte[] { 7 }, TestContext.Current.CancellationToken);
        stream.SetLength(22);

        Assert.Equal([.. new byte[20], 7, 0], device.ToArray());
    }

    [Fact]
    public async Task Does_not_write_past_the_end_of_a_device_that_cannot_grow()
    {
        var device = new SubDevice(new MemoryDevice(10), 0, 10, ownsInner: true);
        await using var stream = new DeviceStream(device, owned: device);
        stream.Position = 9;

        var error = await Assert.ThrowsAsync<InvalidInputException>(async () => await stream.WriteAsync(new byte[2], TestContext.Current.CancellationToken));

        Assert.Equal(ErrorIds.OutOfRange, error.ErrorId);
        Assert.Equal(9, stream.Position);
    }
}
