using VmCrypt.Core.Block;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Interop.Tests.Images;

/// <summary>What qemu-img writes, we read to the same bytes.</summary>
public sealed class Qcow2ReadTests : IDisposable
{
    private const int DiskBytes = (5 * 1024 * 1024) + 512;

    private static readonly byte[] s_disk = SampleDisk.Make(DiskBytes);

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    public static TheoryData<string> Layouts()
    {
        var layouts = new TheoryData<string>();
        for (int size = 512; size <= 2 * 1024 * 1024; size *= 2)
        {
            layouts.Add($"compat=1.1,cluster_size={size}");
            layouts.Add($"compat=0.10,cluster_size={size}");
        }

        for (int bits = 1; bits <= 64; bits *= 2)
        {
            layouts.Add($"refcount_bits={bits}");
        }

        layouts.Add("lazy_refcounts=on");
        layouts.Add("preallocation=metadata");
        layouts.Add("preallocation=falloc");
        layouts.Add("extended_l2=on,preallocation=full");
        for (int size = 16384; size <= 2 * 1024 * 1024; size *= 2)
        {
            layouts.Add($"extended_l2=on,cluster_size={size}");
        }

        return layouts;
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public async Task Reads_every_layout(string options)
    {
        Convert("disk.qcow2", "-o", options);

        Assert.Equal(s_disk, await Qcow2Disk.ReadFileAsync(_scratch["disk.qcow2"]));
    }

    [Theory]
    [InlineData("compression_type=zlib,cluster_size=512")]
    [InlineData("compression_type=zlib")]
    [InlineData("compression_type=zlib,compat=0.10")]
    [InlineData("compression_type=zlib,cluster_size=2097152")]
    [InlineData("compression_type=zlib,extended_l2=on")]
    [InlineData("compression_type=zstd")]
    [InlineData("compression_type=zstd,cluster_size=4096")]
    [InlineData("compression_type=zstd,cluster_size=2097152,extended_l2=on")]
    public async Task Reads_compressed_clusters(string options)
    {
        Convert("disk.qcow2", "-c", "-o", options);

        await using Qcow2Image image = await Qcow2Disk.OpenCopyAsync(_scratch["disk.qcow2"]);
        Assert.Equal(s_disk, await Qcow2Disk.ReadAllAsync(image));
        Assert.Contains(Qcow2MappingKind.Compressed, await image.MapAsync(0, image.Length, Qcow2Disk.Token).Select(run => run.Kind).ToListAsync());
    }

    [Fact]
    public async Task Reads_small_pieces_like_large_ones()
    {
        Convert("disk.qcow2", "-c", "-o", "cluster_size=4096");
        await using Qcow2Image image = await Qcow2Disk.OpenCopyAsync(_scratch["disk.qcow2"]);
        var random = new Random(7);
        byte[] buffer = new byte[20000];
        for (int i = 0; i < 500; i++)
        {
            int length = random.Next(buffer.Length);
            int offset = random.Next(DiskBytes - length);
            await image.ReadAsync(offset, buffer.AsMemory(0, length), Qcow2Disk.Token);
            Assert.True(buffer.AsSpan(0, length).SequenceEqual(s_disk.AsSpan(offset, length)), $"{length} bytes at {offset}");
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData(",data_file_raw=on")]
    public async Task Reads_from_an_external_data_file(string more)
    {
        Convert("disk.qcow2", "-o", $"data_file={_scratch["disk.data"]}{more}");

        await using Qcow2Image image = await Qcow2Disk.OpenCopyAsync(_scratch["disk.qcow2"]);
        Assert.Equal(_scratch["disk.data"], image.Facts.DataFile);
        Assert.Equal(more.Length > 0, image.Facts.DataFileIsRaw);
        image.AttachDataFile(new MemoryDevice(File.ReadAllBytes(_scratch["disk.data"])));
        Assert.Equal(s_disk, await Qcow2Disk.ReadAllAsync(image));
    }

    [Theory]
    [InlineData("cluster_size=65536", "3M")]
    [InlineData("cluster_size=65536", "8M")]
    [InlineData("extended_l2=on", "5M")]
    [InlineData("compat=0.10,cluster_size=4096", "6M")]
    public async Task Reads_through_a_backing_file(string options, string overlaySize)
    {
        Convert("base.qcow2", "-o", "cluster_size=4096");
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, "-b", _scratch["base.qcow2"], "-F", "qcow2", _scratch["top.qcow2"], overlaySize);
        Tools.Run("qemu-io", "-c", "write -P 7 100k 3k", "-c", "write -P 8 1M 300k", "-c", "write -z 2M 200k", "-c", "discard 640k 128k",
            _scratch["top.qcow2"]);
        Tools.Run("qemu-img", "convert", "-O", "raw", _scratch["top.qcow2"], _scratch["top.raw"]);

        await using Qcow2Image top = await Qcow2Disk.OpenCopyAsync(_scratch["top.qcow2"]);
        Assert.Equal(new Qcow2Backing(_scratch["base.qcow2"], "qcow2"), top.Backing);
        top.AttachBacking(await Qcow2Disk.OpenCopyAsync(_scratch["base.qcow2"]));
        Assert.Equal(File.ReadAllBytes(_scratch["top.raw"]), await Qcow2Disk.ReadAllAsync(top));
        Assert.Equal(top.Length, await CoveredAsync(top));
    }

    [Theory]
    [InlineData("compat=1.1")]
    [InlineData("compat=0.10,cluster_size=512")]
    [InlineData("extended_l2=on")]
    [InlineData("refcount_bits=64")]
    public async Task Lists_and_reads_internal_snapshots(string options)
    {
        string path = Convert("disk.qcow2", "-o", options);
        Tools.Run("qemu-img", "snapshot", "-c", "first", path);
        Tools.Run("qemu-io", "-c", "write -P 1 0 1M", "-c", "write -P 2 3000k 5k", path);
        Tools.Run("qemu-img", "snapshot", "-c", "zweiter Stand, größer", path);
        Tools.Run("qemu-io", "-c", "write -P 3 4M 64k", path);

        await using Qcow2Image image = await Qcow2Disk.OpenCopyAsync(path);
        Assert.Equal(["first", "zweiter Stand, größer"], image.Snapshots.Select(snapshot => snapshot.Name));
        Assert.All(image.Snapshots, snapshot => Assert.Equal(image.Length, snapshot.DiskSize));
        Assert.All(image.Snapshots, snapshot => Assert.InRange(snapshot.Taken, DateTimeOffset.Now.AddMinutes(-5), DateTimeOffset.Now.AddMinutes(5)));

        await using IBlockDevice first = await image.OpenSnapshotAsync("1", Qcow2Disk.Token);
        Assert.Equal(s_disk, (await Qcow2Disk.ReadAllAsync(first)));
        await using IBlockDevice second = await image.OpenSnapshotAsync("zweiter Stand, größer", Qcow2Disk.Token);
        Tools.Run("qemu-img", "convert", "-l", "snapshot.id=2", "-O", "raw", path, _scratch["second.raw"]);
        Assert.Equal(File.ReadAllBytes(_scratch["second.raw"]), await Qcow2Disk.ReadAllAsync(second));
        Tools.Run("qemu-img", "convert", "-O", "raw", path, _scratch["now.raw"]);
        Assert.Equal(File.ReadAllBytes(_scratch["now.raw"]), await Qcow2Disk.ReadAllAsync(image));
    }

    [Theory]
    [InlineData("sixteen-bytes-k!")]
    [InlineData("short")]
    [InlineData("a passphrase of more than sixteen bytes")]
    public async Task Reads_legacy_AES(string passphrase)
    {
        string secret = _scratch.File("secret", System.Text.Encoding.UTF8.GetBytes(passphrase));
        Tools.Run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "--object", $"secret,id=s,file={secret}",
            "-o", "encrypt.format=aes,encrypt.key-secret=s", _scratch.File("disk.raw", s_disk), _scratch["disk.qcow2"]);

        await using Qcow2Image image = await Qcow2Disk.OpenCopyAsync(_scratch["disk.qcow2"]);
        Assert.Equal(Qcow2CryptMethod.Aes, image.Facts.CryptMethod);
        image.AttachCipher(Qcow2Disk.LegacyCipher(passphrase));
        Assert.Equal(s_disk, await Qcow2Disk.ReadAllAsync(image));
    }

    [Fact]
    public async Task Reports_the_facts_that_qemu_img_reports()
    {
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=32768,refcount_bits=8,lazy_refcounts=on,extended_l2=on,compression_type=zstd",
            _scratch["disk.qcow2"], "7M");

        await using Qcow2Image image = await Qcow2Disk.OpenCopyAsync(_scratch["disk.qcow2"]);

        Assert.Equal((3, 32768, 7L << 20, 8), (image.Facts.Version, image.Facts.ClusterSize, image.Facts.VirtualSize, image.Facts.RefcountBits));
        Assert.Equal(Qcow2CompressionType.Zstd, image.Facts.CompressionType);
        Assert.True(image.Facts.ExtendedL2);
        Assert.Equal(["compression type", "extended L2 entries"], image.Facts.IncompatibleFeatures);
        Assert.Equal(["lazy refcounts"], image.Facts.CompatibleFeatures);
        Assert.Empty(image.Facts.AutoclearFeatures);
    }

    private string Convert(string name, params string[] options)
    {
        string raw = _scratch.File("disk.raw", s_disk);
        Tools.Run("qemu-img", ["convert", "-q", "-f", "raw", "-O", "qcow2", .. options, raw, _scratch[name]]);
        return _scratch[name];
    }

    private static async Task<long> CoveredAsync(Qcow2Image device)
    {
        long end = 0;
        await foreach (Extent extent in device.ExtentsAsync(0, device.Length, Qcow2Disk.Token))
        {
            Assert.Equal(end, extent.Offset);
            end = extent.End;
        }

        return end;
    }
}
