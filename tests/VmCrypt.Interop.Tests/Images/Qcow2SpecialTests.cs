using System.Buffers.Binary;
using System.Text.Json;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Interop.Tests.Images;

/// <summary>Images in a special state: not closed, with bitmaps, marked corrupt, with features of the future.</summary>
public sealed class Qcow2SpecialTests : IDisposable
{
    private const int Incompatible = 72;
    private const int Autoclear = 88;

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    private string Path => _scratch["disk.qcow2"];

    [Theory]
    [InlineData("lazy_refcounts=on")]
    [InlineData("lazy_refcounts=on,cluster_size=512")]
    [InlineData("lazy_refcounts=on,extended_l2=on,refcount_bits=1")]
    public async Task A_killed_lazy_writer_leaves_what_we_rebuild_before_the_first_write(string options)
    {
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, Path, "4M");
        // Killed by its own hand, after the tables reached the file and before the refcounts did.
        Tools.TryRun("qemu-io", "-t", "writeback", "-c", "write -P 5 0 1M", "-c", "write -P 6 3M 100k", "-c", "flush", "-c", "sigraise 9", Path);
        await using (Qcow2Image dirty = await Qcow2Disk.OpenCopyAsync(Path))
        {
            Assert.True(dirty.Facts.IsDirty);
        }

        await ChangeAsync(disk => disk.WriteAsync(2 << 20, Pattern(7, 65536), Qcow2Disk.Token));

        ImageJudge.Check(Path);
        Assert.False(ImageJudge.Info(Path).GetProperty("dirty-flag").GetBoolean());
        ImageJudge.Io(Path, "read -P 5 0 1M", "read -P 6 3M 100k", "read -P 7 2M 64k");
    }

    [Fact]
    public async Task Refcounts_that_lie_are_rebuilt_when_the_dirty_bit_says_so()
    {
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", Path, "4M");
        ImageJudge.Io(Path, "write -P 5 0 1M");
        byte[] image = File.ReadAllBytes(Path);
        int block = (int)BinaryPrimitives.ReadUInt64BigEndian(image.AsSpan((int)BinaryPrimitives.ReadUInt64BigEndian(image.AsSpan(48))));
        // Cluster 8 is guest data that counts as free, cluster 100 is nothing that counts as used.
        BinaryPrimitives.WriteUInt16BigEndian(image.AsSpan(block + 16), 0);
        BinaryPrimitives.WriteUInt16BigEndian(image.AsSpan(block + 200), 1);
        image[Incompatible + 7] |= 1;
        File.WriteAllBytes(Path, image);

        await ChangeAsync(disk => disk.WriteAsync(2 << 20, Pattern(7, 1 << 20), Qcow2Disk.Token));

        ImageJudge.Check(Path);
        ImageJudge.Io(Path, "read -P 5 0 1M", "read -P 7 2M 1M");
    }

    [Fact]
    public async Task Bitmaps_that_should_track_are_marked_and_others_stay_as_they_are()
    {
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", Path, "4M");
        Tools.Run("qemu-img", "bitmap", "--add", Path, "tracking");
        Tools.Run("qemu-img", "bitmap", "--add", "--disable", Path, "frozen");
        await using (Qcow2Image image = await Qcow2Disk.OpenCopyAsync(Path))
        {
            Assert.Equal([("tracking", true, false), ("frozen", false, false)],
                (await image.ReadBitmapsAsync(Qcow2Disk.Token)).Select(bitmap => (bitmap.Name, bitmap.IsEnabled, bitmap.IsInconsistent)));
        }

        await ChangeAsync(disk => disk.WriteAsync(0, Pattern(7, 65536), Qcow2Disk.Token));

        ImageJudge.Check(Path);
        Assert.Equal("tracking:in-use,auto frozen:", BitmapFlags());

        await ChangeAsync(disk => disk.SetLengthAsync(8 << 20, Qcow2Disk.Token));

        ImageJudge.Check(Path);
        Assert.Equal("tracking:in-use,auto frozen:in-use", BitmapFlags());
        Tools.Run("qemu-img", "bitmap", "--remove", Path, "tracking");
        Tools.Run("qemu-img", "bitmap", "--remove", Path, "frozen");
        ImageJudge.Check(Path);
    }

    [Fact]
    public async Task Unknown_autoclear_features_are_cleared_by_the_first_write_and_not_before()
    {
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", Path, "4M");
        Poke(Autoclear, 0x80);
        await using (Qcow2Image image = await Qcow2Disk.OpenCopyAsync(Path))
        {
            Assert.Equal(["bit 63"], image.Facts.AutoclearFeatures);
            await image.ReadAsync(0, new byte[512], Qcow2Disk.Token);
        }

        await ChangeAsync(disk => disk.ReadAsync(0, new byte[512], Qcow2Disk.Token));
        Assert.Equal(0x80, File.ReadAllBytes(Path)[Autoclear]);
        await ChangeAsync(disk => disk.ZeroAsync(0, 65536, ZeroFlags.None, Qcow2Disk.Token));
        Assert.Equal(0, File.ReadAllBytes(Path)[Autoclear]);
        ImageJudge.Check(Path);
    }

    [Fact]
    public async Task A_corrupt_image_is_read_and_not_written()
    {
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", Path, "4M");
        ImageJudge.Io(Path, "write -P 5 0 1M");
        Poke(Incompatible + 7, 2);

        await using Qcow2Image image = await Qcow2Disk.OpenCopyAsync(Path);
        Assert.True(image.Facts.IsCorrupt);
        Assert.Equal(Pattern(5, 1 << 20), (await Qcow2Disk.ReadAllAsync(image))[..(1 << 20)]);
        var error = await Assert.ThrowsAsync<RefusedException>(() => ChangeAsync(_ => ValueTask.CompletedTask));
        Assert.Equal(ErrorIds.Qcow2MarkedCorrupt, error.ErrorId);
    }

    [Fact]
    public async Task A_disk_grows_past_its_tables()
    {
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=512,refcount_bits=64", Path, "1M");
        ImageJudge.Io(Path, "write -P 5 0 1M");

        await ChangeAsync(async disk =>
        {
            await disk.SetLengthAsync(256L << 20, Qcow2Disk.Token);
            await disk.WriteAsync(200L << 20, Pattern(6, 3 << 20), Qcow2Disk.Token);
        });

        ImageJudge.Check(Path);
        ImageJudge.Io(Path, "read -P 5 0 1M", "read -P 0 1M 100M", "read -P 6 200M 3M");
    }

    [Fact]
    public async Task Our_check_and_theirs_count_alike()
    {
        Tools.Run("qemu-img", "convert", "-q", "-c", "-f", "raw", "-O", "qcow2", _scratch.File("disk.raw", SampleDisk.Make(3 << 20)), Path);
        Tools.Run("qemu-img", "snapshot", "-c", "s", Path);
        Tools.Run("qemu-img", "bitmap", "--add", Path, "b");
        ImageJudge.Io(Path, "write -P 5 0 1M");
        byte[] good = File.ReadAllBytes(Path);
        int block = (int)BinaryPrimitives.ReadUInt64BigEndian(good.AsSpan((int)BinaryPrimitives.ReadUInt64BigEndian(good.AsSpan(48))));
        for (int cluster = 0; cluster < good.Length / 65536; cluster++)
        {
            foreach (ushort count in (ushort[])[0, 3])
            {
                byte[] image = [.. good];
                BinaryPrimitives.WriteUInt16BigEndian(image.AsSpan(block + (cluster * 2)), count);
                await CompareChecksAsync(image, $"cluster {cluster} counted {count}");
            }

            cluster += 4;
        }

        await CompareChecksAsync(good, "good");
    }

    private async Task CompareChecksAsync(byte[] image, string context)
    {
        File.WriteAllBytes(Path, image);
        using JsonDocument theirs = JsonDocument.Parse(Tools.TryRun("qemu-img", "check", "--output=json", "-f", "qcow2", Path).Output);
        long corruptions = theirs.RootElement.TryGetProperty("corruptions", out JsonElement found) ? found.GetInt64() : 0;
        long leaks = theirs.RootElement.TryGetProperty("leaks", out JsonElement leaked) ? leaked.GetInt64() : 0;

        Qcow2CheckResult ours = await Qcow2Check.RunAsync(new MemoryDevice(image), Qcow2Disk.Token);

        Assert.True((corruptions, leaks) == (ours.Corruptions, ours.LeakedClusters),
            $"{context}: theirs {corruptions} and {leaks}, ours {ours.Corruptions} and {ours.LeakedClusters}: {string.Join(' ', ours.Findings)}");
    }

    private string BitmapFlags() => string.Join(' ', ImageJudge.Info(Path).GetProperty("format-specific").GetProperty("data").GetProperty("bitmaps")
        .EnumerateArray().Select(bitmap => $"{bitmap.GetProperty("name")}:{string.Join(',', bitmap.GetProperty("flags").EnumerateArray())}"));

    private void Poke(int offset, byte value)
    {
        byte[] image = File.ReadAllBytes(Path);
        image[offset] = value;
        File.WriteAllBytes(Path, image);
    }

    private async Task ChangeAsync(Func<Qcow2Image, ValueTask> change)
    {
        var file = new MemoryDevice(File.ReadAllBytes(Path));
        await using (Qcow2Image image = await Qcow2Image.OpenAsync(file, new Qcow2OpenOptions { Writable = true }, Qcow2Disk.Token))
        {
            await change(image);
        }

        File.WriteAllBytes(Path, file.ToArray());
    }

    private static byte[] Pattern(byte value, int count)
    {
        byte[] bytes = new byte[count];
        bytes.AsSpan().Fill(value);
        return bytes;
    }
}
