using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Block;

public sealed class SubDeviceTests : ReadOnlyDeviceContract
{
    protected override ValueTask<IBlockDevice> CreateAsync(byte[] content) =>
        new(new SubDevice(new MemoryDevice([.. new byte[1000], .. content, .. new byte[1000]]), 1000, content.Length, ownsInner: true));

    protected override ValueTask<IBlockDevice> CreateReadOnlyAsync(byte[] content) =>
        new(new SubDevice(new MemoryDevice(content, writable: false), 0, content.Length, ownsInner: true));

    [Fact]
    public async Task Touches_nothing_outside_of_its_range()
    {
        byte[] whole = Noise(8192);
        var inner = new MemoryDevice([.. whole]);
        await using var device = new SubDevice(inner, 1000, 3000, ownsInner: false);

        await device.ZeroAsync(0, 3000, ZeroFlags.None, Token);

        Assert.Equal([.. whole[..1000], .. new byte[3000], .. whole[4000..]], inner.ToArray());
    }

    [Theory]
    [InlineData(8000, 193)]
    [InlineData(-1, 10)]
    [InlineData(10, -1)]
    [InlineData(long.MaxValue, 1)]
    public void Refuses_a_range_outside_of_the_device(long offset, long length)
    {
        var error = Assert.Throws<InvalidInputException>(() => new SubDevice(new MemoryDevice(8192), offset, length, ownsInner: true));
        Assert.Equal(ErrorIds.OutOfRange, error.ErrorId);
    }
}

public sealed class TailDeviceTests : ReadOnlyDeviceContract
{
    protected override ValueTask<IBlockDevice> CreateAsync(byte[] content) =>
        new(SubDevice.Tail(new MemoryDevice([.. new byte[4096], .. content]), 4096, ownsInner: true));

    protected override ValueTask<IBlockDevice> CreateReadOnlyAsync(byte[] content) =>
        new(SubDevice.Tail(new MemoryDevice(content, writable: false), 0, ownsInner: true));

    [Fact]
    public async Task Keeps_its_start_when_it_is_resized()
    {
        var inner = new MemoryDevice(Noise(8192));
        byte[] head = inner.ToArray()[..4096];
        await using var device = SubDevice.Tail(inner, 4096, ownsInner: false);

        await device.SetLengthAsync(0, Token);

        Assert.Equal(head, inner.ToArray());
    }
}
