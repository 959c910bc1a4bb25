namespace VmCrypt.Interop.Tests;

public sealed class ToolsTests
{
    [Fact]
    public void The_oracle_answers() => Assert.Contains("qemu-img version", Tools.Run("qemu-img", "--version"), StringComparison.Ordinal);
}
