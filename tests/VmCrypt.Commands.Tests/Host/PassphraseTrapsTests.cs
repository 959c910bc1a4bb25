using System.Text;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Commands.Tests.Host;

public sealed class PassphraseTrapsTests
{
    public static TheoryData<byte[], bool, string[]> Keys => new()
    {
        { "correct horse"u8.ToArray(), false, [] },
        { "grüße"u8.ToArray(), true, [] },
        { "line\nline"u8.ToArray(), true, [] },
        { "typed\n"u8.ToArray(), false, [] },
        { "echoed\n"u8.ToArray(), true, ["line break"] },
        { [0x00, 0x41], true, ["QEMU and libvirt cannot"] },
        { [0x41, 0xFF, (byte)'\n'], true, ["QEMU and libvirt cannot"] },
        { Text(512), true, [] },
        { Text(513), true, ["cuts what is typed after 512"] },
        { Text(65536), false, ["cuts what is typed after 512"] },
        { Text(65537), false, ["a secret of libvirt has 65536"] },
        { [.. Text(600), (byte)'\n'], true, ["line break", "cuts what is typed"] },
    };

    [Theory]
    [MemberData(nameof(Keys))]
    public void Every_consumer_that_cannot_use_a_key_is_named(byte[] key, bool fromFile, string[] expected)
    {
        using var secret = SecretBuffer.CopyOf(key);

        string[] said = [.. PassphraseTraps.Of(secret, fromFile, forQemu: true)];

        Assert.Equal(expected.Length, said.Length);
        Assert.All(expected.Zip(said), pair => Assert.Contains(pair.First, pair.Second, StringComparison.Ordinal));
    }

    [Fact]
    public void What_QEMU_cannot_open_in_any_case_is_not_measured_by_QEMU()
    {
        using var binary = SecretBuffer.CopyOf([0, 1, 2]);
        using var huge = SecretBuffer.CopyOf(Text(70_000));

        Assert.Empty(PassphraseTraps.Of(binary, fromFile: true, forQemu: false));
        Assert.Contains("cuts what is typed", Assert.Single(PassphraseTraps.Of(huge, fromFile: true, forQemu: false)), StringComparison.Ordinal);
    }

    private static byte[] Text(int length) => Encoding.ASCII.GetBytes(new string('a', length));
}
