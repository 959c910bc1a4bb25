using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Core.Tests.Qemu;

public sealed class MonitorSecretTests
{
    [Fact]
    public async Task It_is_gone_with_its_owner()
    {
        var monitor = new ScriptedMonitor((_, _) => "{}");
        using SecretBuffer value = SecretBuffer.CopyOf("open sesame"u8);
        string id;
        await using (MonitorSecret secret = await MonitorSecret.AddAsync(monitor, value, master: null))
        {
            id = secret.Id;
        }

        Assert.Equal(["object-add", "object-del"], monitor.Asked.Select(asked => asked.Command));
        Assert.All(monitor.Asked, asked => Assert.Equal(id, asked.Arguments!["id"]!.GetValue<string>()));
    }

    [Fact]
    public async Task A_monitor_that_is_lost_hides_no_other_failure()
    {
        var monitor = new ScriptedMonitor((command, _) => command == "object-add" ? "{}" : throw new DeviceFaultException(ErrorIds.MonitorLost, "gone"));
        using SecretBuffer value = SecretBuffer.CopyOf("open sesame"u8);

        await (await MonitorSecret.AddAsync(monitor, value, master: null)).DisposeAsync();
    }

    [Theory]
    [InlineData(new byte[] { 0xFF })]
    [InlineData(new byte[] { (byte)'a', 0, (byte)'b' })]
    public async Task What_QEMU_takes_for_no_passphrase_is_not_sent(byte[] bytes)
    {
        var monitor = new ScriptedMonitor((_, _) => "{}");
        using SecretBuffer value = SecretBuffer.CopyOf(bytes);

        var refusal = await Assert.ThrowsAsync<InvalidInputException>(async () => await MonitorSecret.AddAsync(monitor, value, master: null));

        Assert.Equal(ErrorIds.PassphraseInvalid, refusal.ErrorId);
        Assert.Empty(monitor.Asked);
    }
}
