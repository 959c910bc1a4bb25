using System.Security.Cryptography;
using VmCrypt.Core.Block;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Stack;
using VmCrypt.Interop.Tests.Guest;
using VmCrypt.Interop.Tests.Qemu;

namespace VmCrypt.Interop.Tests.Machines;

/// <summary>A guest writes and reads its disk all the while its passphrase is rotated.</summary>
public sealed class RunningGuestTests
{
    private const int Rotations = 3;

    // Rewrites the disk in blocks that say their round and place, until the host writes "stop" on the other disk.
    private const string Script = """
        echo 0 > /proc/sys/kernel/printk
        round=0
        while [ "$(head -c 4 /dev/vdb)" != stop ]; do
          round=$((round + 1))
          for place in 0 1 2 3 4 5 6 7; do
            yes "$round $place" | head -c 65536 > /tmp/block
            dd if=/tmp/block of=/dev/vda bs=65536 seek=$((place * 16)) conv=notrunc,fsync 2>/dev/null || echo FAILED
          done
          echo 3 > /proc/sys/vm/drop_caches
          for place in 0 1 2 3 4 5 6 7; do
            dd if=/dev/vda bs=65536 skip=$((place * 16)) count=1 2>/dev/null | head -n 1 | grep -qx "$round $place" || echo FAILED
          done
          echo ROUND $round
        done
        echo SUM $(sha256sum < /dev/vda)
        """;

    public static TheoryData<ImageFormat> Formats() => [ImageFormat.Raw, ImageFormat.Qcow2];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Formats))]
    public async Task A_guest_writes_through_it_all_while_its_passphrase_is_rotated(ImageFormat format)
    {
        using var scratch = new Scratch();
        RunningDisk disk = await RunningDiskFixture.MakeAsync(scratch, format, "passphrase 0");
        string signal = scratch.File("signal.raw", new byte[4096]);
        string socket = scratch["qmp"];
        using GuestVm guest = GuestVm.Boot(scratch, new GuestOptions
        {
            Modules = ["virtio_pci", "virtio_blk"],
            Script = Script,
            Arguments =
            [
                .. RunningQemu.Monitor(socket),
                .. RunningDiskFixture.Arguments(scratch, disk, format, "passphrase 0"), "-device", $"virtio-blk-pci,drive={RunningDiskFixture.NodeName}",
                "-drive", $"file={signal},format=raw,if=virtio,file.locking=off",
            ],
        });
        await guest.WaitForAsync("ROUND 1");

        await using (RunningKeySlots slots = await RunningKeySlots.OfSocketAsync(StreamEndpoint.Parse($"unix:{socket}"), Token))
        {
            for (int rotation = 1; rotation <= Rotations; rotation++)
            {
                using DiskKeys current = RunningDiskFixture.Keys($"passphrase {rotation - 1}");
                await slots.ChangeAsync(disk, current, RunningDiskFixture.NewSlot($"passphrase {rotation}"), Token);
                await guest.WaitForAsync($"ROUND {Rounds(guest.Log) + 1}\r\n");
            }
        }

        using (var stop = new FileStream(signal, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            stop.Write("stop"u8);
        }

        string log = await guest.WaitForExitAsync();
        Assert.DoesNotContain("FAILED", log, StringComparison.Ordinal);
        Assert.Contains($"SUM {await SumAsync(disk, $"passphrase {Rotations}")}", log, StringComparison.Ordinal);
    }

    private static int Rounds(string log) => log.Split("ROUND ").Length - 1;

    private static async Task<string> SumAsync(RunningDisk disk, string passphrase)
    {
        using DiskKeys keys = RunningDiskFixture.Keys(passphrase);
        await using DiskStack stack = await DiskStack.OpenAsync(disk.Location, disk.Options, Token);
        IBlockDevice plain = await stack.UnlockAsync(keys, Token);
        byte[] content = new byte[plain.Length];
        await plain.ReadAsync(0, content, Token);
        return Convert.ToHexStringLower(SHA256.HashData(content));
    }
}
