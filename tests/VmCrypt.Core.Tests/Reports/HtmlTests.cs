using VmCrypt.Core.Reports;

namespace VmCrypt.Core.Tests.Reports;

public sealed class HtmlTests
{
    [Theory]
    [InlineData(0, "0.0 s")]
    [InlineData(59_940, "59.9 s")]
    [InlineData(60_000, "1:00")]
    [InlineData(600_000, "10:00")]
    [InlineData(3_723_000, "1:02:03")]
    [InlineData(36_000_000, "10:00:00")]
    [InlineData(93_784_000, "1.02:03:04")]
    public void A_duration_is_written_without_leading_nothing(long milliseconds, string expected) => Assert.Equal(expected, Html.Duration(milliseconds));
}
