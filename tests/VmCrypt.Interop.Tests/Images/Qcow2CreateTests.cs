using System.Text.Json;
using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Interop.Tests.Images;

/// <summary>What we create, qemu-img finds sound and as described.</summary>
public sealed class Qcow2CreateTests : IDisposable
{
    private const long DiskBytes = (9L * 1024 * 1024) + 512;

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    public static TheoryData<int, int, int, bool, Preallocation> Layouts()
    {
        var layouts = new TheoryData<int, int, int, bool, Preallocation>();
        foreach (int cluster in (int[])[512, 1024, 4096, 65536, 2 * 1024 * 1024])
        {
            layouts.Add(2, cluster, 16, false, Preallocation.Off);
            layouts.Add(3, cluster, 16, false, Preallocation.Off);
            layouts.Add(3, cluster, 64, false, Preallocation.Metadata);
            layouts.Add(3, cluster, 1, false, Preallocation.Metadata);
        }

        foreach (int bits in (int[])[1, 2, 4, 8, 32, 64])
        {
            layouts.Add(3, 65536, bits, false, Preallocation.Off);
        }

        layouts.Add(2, 65536, 16, false, Preallocation.Metadata);
        layouts.Add(3, 65536, 16, false, Preallocation.Falloc);
        layouts.Add(3, 65536, 16, false, Preallocation.Full);
        layouts.Add(3, 16384, 16, true, Preallocation.Off);
        layouts.Add(3, 65536, 16, true, Preallocation.Metadata);
        layouts.Add(3, 2 * 1024 * 1024, 8, true, Preallocation.Metadata);
        return layouts;
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public async Task Creates_every_layout(int version, int clusterSize, int refcountBits, bool extendedL2, Preallocation preallocation)
    {
        await CreateAsync(new Qcow2CreateOptions
        {
            Size = DiskBytes,
            Version = version,
            ClusterSize = clusterSize,
            RefcountBits = refcountBits,
            ExtendedL2 = extendedL2,
            Preallocation = preallocation,
        });

        ImageJudge.Check(_scratch["disk.qcow2"]);
        JsonElement info = ImageJudge.Info(_scratch["disk.qcow2"]);
        JsonElement data = info.GetProperty("format-specific").GetProperty("data");
        Assert.Equal(DiskBytes, info.GetProperty("virtual-size").GetInt64());
        Assert.Equal(clusterSize, info.GetProperty("cluster-size").GetInt32());
        Assert.Equal(version == 2 ? "0.10" : "1.1", data.GetProperty("compat").GetString());
        Assert.Equal(refcountBits, data.GetProperty("refcount-bits").GetInt32());
        Assert.Equal(extendedL2, version == 3 && data.GetProperty("extended-l2").GetBoolean());
        ImageJudge.ReadsAs(new byte[DiskBytes], _scratch["disk.qcow2"]);
        ImageJudge.Io(_scratch["disk.qcow2"], "write -P 5 1M 1M", "write -P 6 9M 512", "read -P 5 1M 1M");
        ImageJudge.Check(_scratch["disk.qcow2"]);
    }

    [Fact]
    public async Task Creates_a_terabyte_in_a_few_clusters()
    {
        await CreateAsync(new Qcow2CreateOptions { Size = 1L << 40 });

        Assert.InRange(new FileInfo(_scratch["disk.qcow2"]).Length, 1, 300_000);
        ImageJudge.Check(_scratch["disk.qcow2"]);
    }

    [Theory]
    [InlineData(512)]
    [InlineData(65536)]
    public async Task Names_a_backing_file(int clusterSize)
    {
        Tools.Run("qemu-img", "create", "-q", "-f", "raw", _scratch["base.raw"], "1M");
        ImageJudge.Io(_scratch["base.raw"], "-f", "raw", "write -P 9 0 1M");
        await CreateAsync(new Qcow2CreateOptions
        {
            Size = 2 << 20,
            ClusterSize = clusterSize,
            BackingPath = _scratch["base.raw"],
            BackingFormat = "raw",
        });

        ImageJudge.Check(_scratch["disk.qcow2"]);
        Assert.Equal(_scratch["base.raw"], ImageJudge.Info(_scratch["disk.qcow2"]).GetProperty("backing-filename").GetString());
        ImageJudge.Io(_scratch["disk.qcow2"], "read -P 9 0 1M", "read -P 0 1M 1M");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Names_an_external_data_file(bool raw)
    {
        await using (var dataFile = new MemoryDevice(0))
        {
            await Core.Images.Raw.RawBuilder.CreateAsync(dataFile, DiskBytes, Preallocation.Off, Qcow2Disk.Token);
            _scratch.File("disk.data", dataFile.ToArray());
        }

        await CreateAsync(new Qcow2CreateOptions { Size = DiskBytes, DataFile = _scratch["disk.data"], DataFileIsRaw = raw });

        ImageJudge.Check(_scratch["disk.qcow2"]);
        ImageJudge.ReadsAs(new byte[DiskBytes], _scratch["disk.qcow2"]);
        ImageJudge.Io(_scratch["disk.qcow2"], "write -P 5 1M 1M", "read -P 5 1M 1M");
        ImageJudge.Check(_scratch["disk.qcow2"]);
    }

    [Fact]
    public async Task Allows_zstd_and_lazy_refcounts()
    {
        await CreateAsync(new Qcow2CreateOptions { Size = 1 << 20, CompressionType = Qcow2CompressionType.Zstd, LazyRefcounts = true });

        JsonElement data = ImageJudge.Info(_scratch["disk.qcow2"]).GetProperty("format-specific").GetProperty("data");
        Assert.Equal("zstd", data.GetProperty("compression-type").GetString());
        Assert.True(data.GetProperty("lazy-refcounts").GetBoolean());
        ImageJudge.Check(_scratch["disk.qcow2"]);
    }

    private async Task CreateAsync(Qcow2CreateOptions options)
    {
        await using var file = new MemoryDevice(12345);
        await Qcow2Builder.CreateAsync(file, options, Qcow2Disk.Token);
        _scratch.File("disk.qcow2", file.ToArray());
    }
}
