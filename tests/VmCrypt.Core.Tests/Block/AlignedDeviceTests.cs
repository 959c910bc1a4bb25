using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Block;

public sealed class AlignedDeviceTests : ReadOnlyDeviceContract
{
    protected override ValueTask<IBlockDevice> CreateAsync(byte[] content) =>
        new(AlignedDevice.Over(new BlockyDevice(new MemoryDevice(content), 4096)));

    protected override ValueTask<IBlockDevice> CreateReadOnlyAsync(byte[] content) =>
        new(AlignedDevice.Over(new BlockyDevice(new MemoryDevice(content, writable: false), 4096)));

    [Fact]
    public void Leaves_alone_what_needs_no_alignment()
    {
        var inner = new MemoryDevice(4096);
        Assert.Same(inner, AlignedDevice.Over(inner));
    }

    [Fact]
    public async Task Aligned_calls_go_through_in_one_piece()
    {
        var recorder = new RecordingDevice(new BlockyDevice(new MemoryDevice(65536), 512));
        await using IBlockDevice device = AlignedDevice.Over(recorder);

        await device.WriteAsync(512, new byte[1024], Token);

        var write = Assert.IsType<WriteEffect>(Assert.Single(recorder.Effects));
        Assert.Equal((512, 1024), (write.Offset, write.Bytes.Length));
    }

    [Theory]
    [InlineData(100, 50, new[] { 0 }, new[] { 512 })]
    [InlineData(100, 412, new[] { 0 }, new[] { 512 })]
    [InlineData(100, 413, new[] { 0, 512 }, new[] { 512, 512 })]
    [InlineData(100, 1436, new[] { 0, 512 }, new[] { 512, 1024 })]
    [InlineData(100, 1500, new[] { 0, 512, 1536 }, new[] { 512, 1024, 512 })]
    [InlineData(512, 600, new[] { 512, 1024 }, new[] { 512, 512 })]
    public async Task Only_partial_blocks_are_read_and_written_back(int offset, int count, int[] offsets, int[] counts)
    {
        var recorder = new RecordingDevice(new BlockyDevice(new MemoryDevice(Noise(65536)), 512));
        await using IBlockDevice device = AlignedDevice.Over(recorder);

        await device.WriteAsync(offset, new byte[count], Token);

        WriteEffect[] writes = [.. recorder.Effects.Cast<WriteEffect>()];
        Assert.Equal(offsets, writes.Select(write => (int)write.Offset));
        Assert.Equal(counts, writes.Select(write => write.Bytes.Length));
    }

    [Fact]
    public async Task Trims_only_whole_blocks()
    {
        var recorder = new RecordingDevice(new BlockyDevice(new MemoryDevice(65536), 4096));
        await using IBlockDevice device = AlignedDevice.Over(recorder);

        await device.TrimAsync(4095, 8194, Token);
        await device.TrimAsync(4097, 4096, Token);

        var trim = Assert.IsType<TrimEffect>(Assert.Single(recorder.Effects));
        Assert.Equal((4096L, 8192L), (trim.Offset, trim.Count));
    }

    [Fact]
    public async Task A_torn_last_block_is_not_part_of_the_device()
    {
        await using IBlockDevice device = AlignedDevice.Over(new BlockyDevice(new MemoryDevice(10000), 4096));
        Assert.Equal(8192, device.Length);
        await FailsAsync(ErrorIds.OutOfRange, () => device.ReadAsync(8191, new byte[2], Token));
    }
}
