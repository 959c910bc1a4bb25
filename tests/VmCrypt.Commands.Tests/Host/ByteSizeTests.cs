using VmCrypt.Commands.Host;

namespace VmCrypt.Commands.Tests.Host;

public sealed class ByteSizeTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("512", 512)]
    [InlineData("512b", 512)]
    [InlineData("1k", 1024)]
    [InlineData("1KB", 1024)]
    [InlineData("1KiB", 1024)]
    [InlineData("20GB", 20L << 30)]
    [InlineData("20 gib", 20L << 30)]
    [InlineData("1.5TiB", 3L << 39)]
    [InlineData("7E", 7L << 60)]
    [InlineData("-1MB", -(1L << 20))]
    public void Reads(string text, long bytes)
    {
        Assert.True(ByteSize.TryParse(text, out long read));
        Assert.Equal(bytes, read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("GB")]
    [InlineData("1iB")]
    [InlineData("1XB")]
    [InlineData("0.3")]
    [InlineData("1,5GB")]
    [InlineData("8E")]
    [InlineData("99999999999999999999")]
    [InlineData("1GBB")]
    public void Refuses(string text) => Assert.False(ByteSize.TryParse(text, out _));

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1536, "1.5 KiB")]
    [InlineData(20L << 30, "20 GiB")]
    [InlineData(3111111111, "2.9 GiB")]
    [InlineData(long.MaxValue, "8 EiB")]
    [InlineData(-2048, "-2 KiB")]
    public void Writes(long bytes, string text) => Assert.Equal(text, ByteSize.Format(bytes));

    [Fact]
    public void Writes_nothing_for_nothing() => Assert.Null(ByteSize.Format(null));
}
