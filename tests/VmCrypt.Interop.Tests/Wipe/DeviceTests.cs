using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Medium;
using VmCrypt.Core.Wipe.Standards;
using VmCrypt.Interop.Tests.Block;
using VmCrypt.Interop.Tests.Nbd;

namespace VmCrypt.Interop.Tests.Wipe;

/// <summary>Block devices, disks behind NBD, and media that fail.</summary>
public sealed class DeviceTests : IDisposable
{
    private const int MiB = 1 << 20;

    private readonly WipeLab _lab = new();

    public void Dispose() => _lab.Dispose();

    [Fact]
    public async Task A_block_device_is_wiped_from_end_to_end()
    {
        LoopDevice loop = _lab.MakeLoop(WipeLab.Noise((3 * MiB) + 512));

        WipeResult result = await _lab.WipeAsync(loop.Path, "DoD7", request => request with { Verify = VerifyMode.AllPasses });

        Assert.Equal(WipeStatus.Erased, result.Status);
        Assert.Equal((TargetKind.BlockDevice, (3L * MiB) + 512), (result.Target.Kind, result.Target.Length));
        Assert.All(File.ReadAllBytes(_lab.ImageOf(loop)), value => Assert.Equal(0xFF, value));
        Assert.Equal(7, result.Passes.Count);
        Assert.All(result.Passes, pass => Assert.Equal(result.Target.Length, pass.VerifiedBytes));
    }

    [Fact]
    public async Task A_device_over_a_file_on_copy_on_write_storage_says_so()
    {
        LabDisk disk = _lab.MakeFileSystem("btrfs");
        string image = WipeLab.WriteThrough(disk["inner.img"], WipeLab.Noise(2 * MiB));
        using var loop = LoopDevice.Over(image);

        WipeResult result = await _lab.WipeAsync(loop.Path, "Zero");

        Assert.Equal(WipeStatus.ErasedWithExceptions, result.Status);
        Assert.Equal(FindingKind.CopyOnWrite, Assert.Single(result.Exceptions).Kind);
    }

    [Fact]
    public async Task A_disk_behind_NBD_is_wiped_but_never_called_erased()
    {
        string image = WipeLab.WriteThrough(_lab["nbd.img"], WipeLab.Noise(4 * MiB));
        using NbdPeer server = await NbdPeer.NbdkitAsync(_lab.Scratch, "file", image);

        WipeResult result = await _lab.WipeAsync(server.Uri.ToString(), "BMB21-2007");

        Assert.Equal(WipeStatus.ErasedWithExceptions, result.Status);
        Assert.Equal(FindingKind.BehindServer, Assert.Single(result.Exceptions).Kind);
        Assert.All(File.ReadAllBytes(image), value => Assert.Equal(0, value));
    }

    [Fact]
    public async Task Errors_now_and_then_are_overcome()
    {
        string image = WipeLab.WriteThrough(_lab["nbd.img"], WipeLab.Noise(4 * MiB));
        using NbdPeer server = await NbdPeer.NbdkitAsync(_lab.Scratch, "--filter=error", "file", image, "error-pwrite=EIO", "error-pwrite-rate=20%", "error-pread=EIO", "error-pread-rate=20%");

        WipeResult result = await _lab.WipeAsync(server.Uri.ToString(), "Random");

        Assert.Equal([FindingKind.BehindServer], result.Exceptions.Where(finding => finding.Bytes == 0).Select(finding => finding.Kind));
        // Three tries at one in five: now and then a sector is given up, and then it is listed, and nothing else is left.
        Assert.InRange(result.Exceptions.Sum(finding => finding.Bytes), 0, 256 * 1024);
        Assert.DoesNotContain(FindingKind.Mismatched, result.Findings.Where(finding => finding.Bytes == 0).Select(finding => finding.Kind));
    }

    [Fact]
    public async Task Bad_sectors_are_listed_and_the_rest_is_wiped()
    {
        string image = WipeLab.WriteThrough(_lab["nbd.img"], WipeLab.Noise(4 * MiB));
        byte[] before = File.ReadAllBytes(image);
        // Sector 3000 (byte 1,536,000) takes no writes.
        using NbdPeer server = await NbdPeer.NbdkitAsync(
            _lab.Scratch,
            "eval",
            $"get_size=echo {4 * MiB}",
            $"pread=dd if={image} iflag=skip_bytes,count_bytes bs=65536 skip=$4 count=$3",
            $"pwrite=if [ $4 -le 1536000 ] && [ $(( $4 + $3 )) -gt 1536000 ]; then echo EIO bad sector >&2; exit 1; fi; dd of={image} oflag=seek_bytes conv=notrunc bs=65536 seek=$4",
            "can_write=exit 0",
            "flush=exit 0",
            "can_flush=exit 0");

        WipeResult result = await _lab.WipeAsync(server.Uri.ToString(), "One");

        WipeFinding bad = Assert.Single(result.Findings, finding => finding.Kind == FindingKind.Unwritable);
        Assert.Equal([new ByteRange(1536000, 512)], bad.Ranges);
        byte[] after = File.ReadAllBytes(image);
        Assert.Equal(before.AsSpan(1536000, 512).ToArray(), after.AsSpan(1536000, 512).ToArray());
        after.AsSpan(1536000, 512).Fill(0xFF);
        Assert.All(after, value => Assert.Equal(0xFF, value));
        Assert.Contains(DiskMap.Exception, result.Map);
        // What was not written cannot verify either.
        Assert.Equal(WipeStatus.ErasedWithExceptions, result.Status);
    }

    [Fact]
    public async Task A_dead_disk_fails_and_says_why()
    {
        string image = WipeLab.WriteThrough(_lab["nbd.img"], WipeLab.Noise(MiB));
        using NbdPeer server = await NbdPeer.NbdkitAsync(_lab.Scratch, "--filter=error", "file", image, "error-pwrite=ENOSPC", "error-pwrite-rate=100%");

        WipeResult result = await _lab.WipeAsync(server.Uri.ToString(), "Zero");

        Assert.Equal(WipeStatus.Failed, result.Status);
        Assert.NotNull(result.Fault);
        Assert.Equal(new string(DiskMap.Untouched, DiskMap.Cells), result.Map);
    }
}
