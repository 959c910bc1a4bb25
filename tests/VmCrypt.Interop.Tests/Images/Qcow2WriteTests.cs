using VmCrypt.Core.Block;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Interop.Tests.Images;

/// <summary>Random writes, zeroes, trims and resizes on images of qemu-img: the bytes are those of a plain array, and qemu-img check is content.</summary>
public sealed class Qcow2WriteTests : IDisposable
{
    private const int DiskBytes = (3 * 1024 * 1024) + 512;
    private const int Rounds = 4;
    private const int StepsPerRound = 40;

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("cluster_size=65536", 1)]
    [InlineData("cluster_size=65536", 2)]
    [InlineData("cluster_size=512", 3)]
    [InlineData("cluster_size=4096,refcount_bits=1", 4)]
    [InlineData("cluster_size=2097152", 5)]
    [InlineData("compat=0.10,cluster_size=65536", 6)]
    [InlineData("compat=0.10,cluster_size=1024", 7)]
    [InlineData("refcount_bits=64,cluster_size=512", 8)]
    [InlineData("refcount_bits=2,cluster_size=16384", 9)]
    [InlineData("refcount_bits=32,lazy_refcounts=on", 10)]
    [InlineData("extended_l2=on", 11)]
    [InlineData("extended_l2=on,cluster_size=16384", 12)]
    [InlineData("extended_l2=on,cluster_size=2097152,refcount_bits=8", 13)]
    [InlineData("preallocation=metadata", 14)]
    [InlineData("preallocation=metadata,extended_l2=on", 15)]
    public async Task Keeps_a_new_image(string options, int seed)
    {
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, _scratch["disk.qcow2"], $"{DiskBytes}");

        await RunAsync(new byte[DiskBytes], seed, null);
    }

    [Theory]
    [InlineData("cluster_size=65536", 21)]
    [InlineData("cluster_size=512", 22)]
    [InlineData("compat=0.10,cluster_size=4096", 23)]
    [InlineData("extended_l2=on", 24)]
    [InlineData("compression_type=zstd,extended_l2=on,cluster_size=16384", 25)]
    public async Task Keeps_an_image_with_compressed_clusters(string options, int seed)
    {
        byte[] disk = SampleDisk.Make(DiskBytes, seed);
        Tools.Run("qemu-img", "convert", "-q", "-c", "-f", "raw", "-O", "qcow2", "-o", options, _scratch.File("disk.raw", disk), _scratch["disk.qcow2"]);

        await RunAsync(disk, seed, null);
    }

    [Theory]
    [InlineData("cluster_size=65536", 31)]
    [InlineData("cluster_size=512", 32)]
    [InlineData("compat=0.10,cluster_size=4096", 33)]
    [InlineData("extended_l2=on", 34)]
    [InlineData("extended_l2=on,preallocation=metadata", 35)]
    public async Task Keeps_an_overlay(string options, int seed)
    {
        byte[] disk = SampleDisk.Make(DiskBytes, seed);
        string raw = _scratch.File("base.raw", disk);
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, "-b", raw, "-F", "raw", _scratch["disk.qcow2"], $"{DiskBytes}");

        await RunAsync(disk, seed, () => new MemoryDevice(File.ReadAllBytes(raw), writable: false));
    }

    [Theory]
    [InlineData("cluster_size=65536", 41)]
    [InlineData("cluster_size=512", 42)]
    [InlineData("extended_l2=on", 43)]
    [InlineData("refcount_bits=8,cluster_size=4096", 44)]
    public async Task Keeps_the_disk_and_its_snapshots(string options, int seed)
    {
        byte[] disk = SampleDisk.Make(DiskBytes, seed);
        string path = _scratch["disk.qcow2"];
        Tools.Run("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", "-o", options, _scratch.File("disk.raw", disk), path);
        Tools.Run("qemu-img", "snapshot", "-c", "before", path);

        await RunAsync(disk, seed, null);

        Tools.Run("qemu-img", "convert", "-l", "before", "-O", "raw", path, _scratch["before.raw"]);
        // qemu-img gives the snapshot the size that the disk has now.
        byte[] before = File.ReadAllBytes(_scratch["before.raw"]);
        int common = Math.Min(before.Length, disk.Length);
        Assert.True(disk.AsSpan(0, common).SequenceEqual(before.AsSpan(0, common)), "the snapshot has changed");
        await using (Qcow2Image image = await Qcow2Disk.OpenCopyAsync(path))
        {
            await using IBlockDevice snapshot = await image.OpenSnapshotAsync("before", Qcow2Disk.Token);
            byte[] ours = await Qcow2Disk.ReadAllAsync(snapshot);
            Assert.True(disk.AsSpan().SequenceEqual(ours), "the snapshot has changed, as we see it");
        }

        Tools.Run("qemu-img", "snapshot", "-d", "before", path);
        ImageJudge.Check(path);
    }

    [Theory]
    [InlineData("", 51)]
    [InlineData(",data_file_raw=on", 52)]
    [InlineData(",extended_l2=on", 53)]
    public async Task Keeps_an_external_data_file(string options, int seed)
    {
        byte[] disk = SampleDisk.Make(DiskBytes, seed);
        Tools.Run("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", "-o", $"data_file={_scratch["disk.data"]}{options}",
            _scratch.File("disk.raw", disk), _scratch["disk.qcow2"]);

        byte[] now = await RunAsync(disk, seed, null);

        if (options.Contains("raw", StringComparison.Ordinal))
        {
            Assert.True(now.AsSpan().SequenceEqual(File.ReadAllBytes(_scratch["disk.data"])), "the data file alone differs");
        }
    }

    private async Task<byte[]> RunAsync(byte[] content, int seed, Func<IBlockDevice>? backing)
    {
        string path = _scratch["disk.qcow2"];
        string dataPath = _scratch["disk.data"];
        var model = new DiskModel(content, seed);
        for (int round = 0; round < Rounds; round++)
        {
            var file = new MemoryDevice(File.ReadAllBytes(path));
            MemoryDevice? dataFile = File.Exists(dataPath) ? new MemoryDevice(File.ReadAllBytes(dataPath)) : null;
            await using (Qcow2Image image = await Qcow2Image.OpenAsync(file,
                new Qcow2OpenOptions { Writable = true, MetadataCacheBytes = 16 * 4096 }, Qcow2Disk.Token))
            {
                if (backing is not null)
                {
                    image.AttachBacking(backing());
                }

                if (dataFile is not null)
                {
                    image.AttachDataFile(dataFile);
                }

                bool resizes = image.Facts.Version > 2 || image.Snapshots.Count == 0;
                for (int step = 0; step < StepsPerRound; step++)
                {
                    await model.StepAsync(image, alignment: 1, resizes);
                }

                await model.CompareAsync(image);
            }

            File.WriteAllBytes(path, file.ToArray());
            if (dataFile is not null)
            {
                File.WriteAllBytes(dataPath, dataFile.ToArray());
            }

            ImageJudge.Check(path);
            ImageJudge.ReadsAs(model.Bytes, path);
        }

        return model.Bytes;
    }
}
