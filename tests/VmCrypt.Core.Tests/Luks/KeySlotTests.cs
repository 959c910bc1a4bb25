using VmCrypt.Core.Buffers;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Tests.Luks;

public sealed class KeySlotTests
{
    [Fact]
    public async Task A_new_header_opens_with_its_passphrase()
    {
        (var device, _, VolumeKey key) = await Sample.FormatAsync();

        Unlocked unlocked = await (await Sample.OpenAsync(device)).UnlockAsync(Sample.Passphrase);

        Assert.Equal(0, unlocked.Slot);
        using SecretBuffer expected = key.Export();
        Assert.True(expected.FixedTimeEquals(unlocked.Key.Span));
    }
}
