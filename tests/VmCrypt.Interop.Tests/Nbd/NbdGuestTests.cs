using System.Security.Cryptography;
using VmCrypt.Core.Block.Local;
using VmCrypt.Interop.Tests.Guest;

namespace VmCrypt.Interop.Tests.Nbd;

/// <summary>A virtual machine whose disk is served by us: a kernel's mix of reads, writes, flushes, zeroes and discards.</summary>
public sealed class NbdGuestTests
{
    [Fact]
    public async Task A_guest_makes_a_file_system_on_our_export_and_finds_it_whole()
    {
        Tools.Require("mkfs.ext4");
        Tools.Require("e2fsck");
        CancellationToken token = TestContext.Current.CancellationToken;
        using var scratch = new Scratch();
        byte[] payload = RandomNumberGenerator.GetBytes(5_000_001);
        string log;
        await using (FileDevice disk = await FileDevice.CreateAsync(scratch["disk"], new FileCreateOptions { Length = 128 << 20 }, token))
        await using (TestServer server = await TestServer.StartAsync(disk))
        {
            using GuestVm guest = GuestVm.Boot(scratch, new GuestOptions
            {
                Modules = ["virtio_pci", "virtio_blk", "ext4"],
                Programs = ["mkfs.ext4"],
                Arguments =
                [
                    "-drive", $"file={server.Uri},format=raw,if=virtio,discard=unmap",
                    "-drive", $"file={scratch.File("payload", [.. payload, .. new byte[512 - (payload.Length % 512)]])},format=raw,if=virtio,readonly=on",
                ],
                Script = $"""
                    mkfs.ext4 -q -E discard /dev/vda || echo FAILED mkfs
                    mount -t ext4 -o discard /dev/vda /mnt || echo FAILED mount
                    for i in 1 2 3 4 5; do head -c {payload.Length} /dev/vdb > /mnt/copy$i; done
                    sync
                    rm /mnt/copy2 /mnt/copy4
                    sync
                    umount /mnt && mount -t ext4 /dev/vda /mnt
                    echo SUM $(cat /mnt/copy1 /mnt/copy3 /mnt/copy5 | sha256sum)
                    umount /mnt
                    echo ALL DONE
                    """,
            });
            log = await guest.WaitForAsync("ALL DONE");
            Assert.Equal(0, server.Server.Statistics.Errors);
        }

        Assert.DoesNotContain("FAILED", log, StringComparison.Ordinal);
        Assert.Contains($"SUM {Convert.ToHexStringLower(SHA256.HashData([.. payload, .. payload, .. payload]))}", log, StringComparison.Ordinal);
        Tools.Run("e2fsck", "-f", "-n", scratch["disk"]);
    }
}
