using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Block;

public sealed class MemoryDeviceTests
{
    [Fact]
    public async Task Reads_back_what_was_written()
    {
        await using var device = new MemoryDevice(8192);
        await device.WriteAsync(100, new byte[] { 1, 2, 3 }, TestContext.Current.CancellationToken);

        byte[] read = new byte[5];
        await device.ReadAsync(99, read, TestContext.Current.CancellationToken);

        Assert.Equal([0, 1, 2, 3, 0], read);
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(8192, 1)]
    [InlineData(8191, 2)]
    [InlineData(long.MaxValue, 1)]
    public async Task Refuses_ranges_outside(long offset, int count)
    {
        await using var device = new MemoryDevice(8192);
        var error = await Assert.ThrowsAsync<InvalidInputException>(
            async () => await device.ReadAsync(offset, new byte[count], TestContext.Current.CancellationToken));
        Assert.Equal(ErrorIds.OutOfRange, error.ErrorId);
    }
}
