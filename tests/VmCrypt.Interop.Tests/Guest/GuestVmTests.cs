namespace VmCrypt.Interop.Tests.Guest;

public sealed class GuestVmTests
{
    [Fact]
    public async Task A_guest_comes_up_and_sees_its_disk()
    {
        using var scratch = new Scratch();
        string disk = scratch.File("disk.raw", "MARK"u8.ToArray().Concat(new byte[508]).ToArray());
        using GuestVm guest = GuestVm.Boot(scratch, new GuestOptions
        {
            Modules = ["virtio_pci", "virtio_blk"],
            Arguments = ["-drive", $"file={disk},format=raw,if=virtio"],
            Script = "echo DISK $(head -c 4 /dev/vda)",
        });

        Assert.Contains("DISK MARK", await guest.WaitForAsync("DISK "), StringComparison.Ordinal);
    }
}
