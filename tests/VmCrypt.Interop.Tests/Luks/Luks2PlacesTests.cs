using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;
using VmCrypt.Interop.Tests.Block;
using VmCrypt.Interop.Tests.Nbd;

namespace VmCrypt.Interop.Tests.Luks;

/// <summary>LUKS2 made by cryptsetup where no plain file is: behind NBD, on a block device, in the guest's disk of a qcow2.</summary>
public sealed class Luks2PlacesTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly Cryptsetup _cryptsetup;

    public Luks2PlacesTests() => _cryptsetup = new Cryptsetup(_scratch);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Behind_nbdkit()
    {
        LuksDisk disk = _cryptsetup.FormatLuks2("--luks2-keyslots-size", "2m");
        using (NbdPeer nbdkit = await NbdPeer.NbdkitAsync(_scratch, "file", disk.Path))
        {
            await RekeyAsync(DiskLocation.Parse(nbdkit.Uri.ToString()));
        }

        Assert.True(_cryptsetup.Opens(disk, "second", "--key-slot", "1"));
        Assert.False(_cryptsetup.Opens(disk, LuksDisk.Passphrase));
    }

    [Fact]
    public async Task On_a_block_device()
    {
        LuksDisk disk = _cryptsetup.FormatLuks2("--luks2-keyslots-size", "2m");
        using (LoopDevice loop = LoopDevice.Over(disk.Path))
        {
            await RekeyAsync(DiskLocation.Parse(loop.Path));
            Assert.True(_cryptsetup.Opens(new LuksDisk(loop.Path), "second", "--key-slot", "1"));
        }

        Assert.False(_cryptsetup.Opens(disk, LuksDisk.Passphrase));
        Assert.Equal(1, await disk.SlotOfAsync("second"));
    }

    [Fact]
    public async Task Over_qcow2()
    {
        LuksDisk disk = _cryptsetup.FormatLuks2("--luks2-keyslots-size", "2m");
        string qcow2 = _scratch["over.qcow2"];
        Tools.Run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", disk.Path, qcow2);
        await RekeyAsync(DiskLocation.Parse(qcow2));
        Tools.Run("qemu-img", "check", qcow2);
        Tools.Run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", qcow2, disk.Path);

        Assert.True(_cryptsetup.Opens(disk, "second", "--key-slot", "1"));
        Assert.False(_cryptsetup.Opens(disk, LuksDisk.Passphrase));
    }

    public void Dispose() => _scratch.Dispose();

    // Adds a slot and destroys the first one, which reads the header again each time.
    private static async Task RekeyAsync(DiskLocation location)
    {
        using var keys = new DiskKeys(LuksDisk.Secret(LuksDisk.Passphrase));
        using var second = LuksDisk.Secret("second");
        KeySlotChange made = await KeySlots.AddAsync(location, DiskOpenOptions.Default, keys, new NewKeySlot(second, LuksDisk.Quick.Cost, null, null), Token);
        Assert.Equal(1, made.Slot);
        Assert.Equal(0, await KeyTokens.AddAsync(location, DiskOpenOptions.Default, new NewKeyToken { KeyDescription = "x" }, Token));
        await KeySlots.RemoveAsync(location, DiskOpenOptions.Default, null, keys, false, Token);
        IReadOnlyList<KeyTokenFacts> tokens = await KeyTokens.ListAsync(location, DiskOpenOptions.Default, Token);
        Assert.Equal([1], tokens.Single().KeySlots);
    }
}
