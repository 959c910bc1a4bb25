using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Images.Qcow2;

public sealed class Qcow2ImageTests
{
    private const int DiskBytes = 1024 * 1024;

    private static readonly Qcow2CreateOptions s_plain = new() { Size = DiskBytes, ClusterSize = 4096 };
    private static readonly Qcow2CreateOptions s_encrypted = s_plain with { EncryptionHeaderLength = 10_000 };
    private static readonly Qcow2CreateOptions s_overlay = s_plain with { BackingPath = "base", BackingFormat = "raw" };

    [Fact]
    public async Task Opening_and_reading_write_nothing()
    {
        var file = new RecordingDevice(new MemoryDevice(await Sample.CreateAsync(s_encrypted)));
        await using (Qcow2Image image = await Sample.OpenAsync(file, Sample.Writable))
        {
            await Sample.ReadAllAsync(image);
            await image.ExtentsAsync(0, image.Length, Sample.Token).ToListAsync(Sample.Token);
            await image.FlushAsync(Sample.Token);
        }

        Assert.Empty(file.Effects);
    }

    [Fact]
    public async Task Data_is_encrypted_under_the_sector_of_its_place_in_the_file()
    {
        var file = new MemoryDevice(await Sample.CreateAsync(s_encrypted));
        byte[] data = new byte[8192];
        new Random(1).NextBytes(data);
        Qcow2Mapping place;
        await using (Qcow2Image image = await Sample.OpenAsync(file, Sample.Writable))
        {
            // In reverse, so that guest and host offsets differ.
            await image.WriteAsync(4096, data.AsMemory(4096), Sample.Token);
            await image.WriteAsync(0, data.AsMemory(0, 4096), Sample.Token);
            place = await image.MapAsync(0, 4096, Sample.Token).FirstAsync(Sample.Token);
        }

        long host = place.HostOffset!.Value;
        byte[] stored = file.ToArray()[(int)host..(int)(host + 4096)];
        using SectorCipher cipher = Sample.Cipher;
        cipher.Decrypt((ulong)host / 512, stored, stored);
        Assert.NotEqual(0, host);
        Assert.Equal(data[..4096], stored);
        Assert.Equal(-1, file.ToArray().AsSpan().IndexOf(data.AsSpan(0, 64)));
    }

    [Fact]
    public async Task What_was_moved_is_encrypted_anew()
    {
        // The first sector comes from the backing file and is copied when its neighbour is written.
        byte[] backing = new byte[DiskBytes];
        new Random(2).NextBytes(backing);
        var file = new MemoryDevice(await Sample.CreateAsync(s_overlay with { EncryptionHeaderLength = 1 }));
        await using (Qcow2Image image = await Sample.OpenAsync(file, Sample.Writable, backing))
        {
            await image.WriteAsync(512, new byte[512], Sample.Token);
        }

        await using Qcow2Image reopened = await Sample.OpenAsync(file, backing: new byte[DiskBytes]);
        byte[] cluster = new byte[4096];
        await reopened.ReadAsync(0, cluster, Sample.Token);
        Assert.Equal([.. backing[..512], .. new byte[512], .. backing[1024..4096]], cluster);
    }

    [Fact]
    public async Task Writes_where_the_file_ends_inside_of_its_last_cluster()
    {
        // QEMU leaves files so that have extended L2 entries: only the subclusters in use are written.
        const int Subcluster = 512;
        var options = new Qcow2CreateOptions { Size = DiskBytes, ClusterSize = 32 * Subcluster, ExtendedL2 = true };
        var whole = new MemoryDevice(await Sample.WithContentAsync(options, new byte[DiskBytes]));
        await using (Qcow2Image image = await Sample.OpenAsync(whole, Sample.Writable))
        {
            await image.TrimAsync(0, DiskBytes, Sample.Token);
            await image.WriteAsync(0, new byte[Subcluster], Sample.Token);
        }

        long place = (await (await Sample.OpenAsync(whole)).MapAsync(0, Subcluster, Sample.Token).FirstAsync(Sample.Token)).HostOffset!.Value;
        var cut = new MemoryDevice(whole.ToArray()[..(int)(place + Subcluster)]);
        byte[] data = [.. Enumerable.Repeat((byte)7, Subcluster)];
        await using (Qcow2Image image = await Sample.OpenAsync(cut, Sample.Writable))
        {
            await image.WriteAsync(20 * Subcluster, data, Sample.Token);
        }

        await Sample.CheckAsync(cut.ToArray());
        byte[] read = new byte[Subcluster];
        await (await Sample.OpenAsync(cut)).ReadAsync(20 * Subcluster, read, Sample.Token);
        Assert.Equal(data, read);
    }

    [Fact]
    public async Task A_device_of_fixed_size_holds_an_image_until_it_is_full()
    {
        const int FixedBytes = 512 * 1024;
        byte[] noise = new byte[FixedBytes];
        new Random(3).NextBytes(noise);
        var disk = new MemoryDevice(noise);
        await using var file = new SubDevice(disk, 0, FixedBytes, ownsInner: false);
        await Qcow2Builder.CreateAsync(file, s_plain, Sample.Token);
        await using (Qcow2Image image = await Sample.OpenAsync(new SubDevice(disk, 0, FixedBytes, ownsInner: false), Sample.Writable))
        {
            Assert.All(await Sample.ReadAllAsync(image), value => Assert.Equal(0, value));
            await image.WriteAsync(0, noise.AsMemory(0, 400 * 1024), Sample.Token);
            var full = await Assert.ThrowsAsync<DeviceFaultException>(
                async () => await image.WriteAsync(0, new byte[DiskBytes], Sample.Token));
            Assert.Equal(ErrorIds.DiskFull, full.ErrorId);
        }

        await Sample.CheckAsync(disk.ToArray());
    }

    [Fact]
    public async Task A_failed_write_gives_its_clusters_back()
    {
        var file = new FailingDevice(await Sample.CreateAsync(s_plain));
        await using (Qcow2Image image = await Sample.OpenAsync(file, Sample.Writable))
        {
            await image.WriteAsync(0, new byte[4096], Sample.Token);
            file.Fails = true;
            await Assert.ThrowsAsync<DeviceFaultException>(async () => await image.WriteAsync(100_000, new byte[300_000], Sample.Token));
            await Assert.ThrowsAsync<DeviceFaultException>(async () => await image.FlushAsync(Sample.Token));
            file.Fails = false;
            await image.WriteAsync(200_000, new byte[] { 1, 2, 3 }, Sample.Token);
        }

        await Sample.CheckAsync(file.ToArray());
        await using Qcow2Image reopened = await Sample.OpenAsync(new MemoryDevice(file.ToArray()));
        byte[] read = new byte[3];
        await reopened.ReadAsync(200_000, read, Sample.Token);
        Assert.Equal([1, 2, 3], read);
    }

    [Fact]
    public async Task What_is_not_attached_is_missed_by_name()
    {
        await using Qcow2Image locked = await OpenBareAsync(s_encrypted);
        Assert.Equal(ErrorIds.ImageLocked, await IdAsync(() => locked.WriteAsync(0, new byte[512], Sample.Token)));
        await using Qcow2Image overlay = await OpenBareAsync(s_overlay);
        Assert.Equal(ErrorIds.ImageBackingNotAttached, await IdAsync(() => overlay.ReadAsync(0, new byte[512], Sample.Token)));
        await using Qcow2Image external = await OpenBareAsync(s_plain with { DataFile = "data" });
        Assert.Equal(ErrorIds.Qcow2DataFileNotAttached, await IdAsync(() => external.WriteAsync(0, new byte[512], Sample.Token)));
        Assert.Equal(ErrorIds.Qcow2SnapshotMissing, await IdAsync(async () => await external.OpenSnapshotAsync("1", Sample.Token)));
    }

    [Fact]
    public async Task What_the_header_does_not_name_is_not_taken()
    {
        await using Qcow2Image plain = await OpenBareAsync(s_plain);
        using SectorCipher cipher = Sample.Cipher;

        Assert.Equal(ErrorIds.ImageLayerUnexpected, Assert.Throws<InvalidInputException>(() => plain.AttachCipher(cipher)).ErrorId);
        Assert.Equal(ErrorIds.ImageLayerUnexpected, Assert.Throws<InvalidInputException>(() => plain.AttachBacking(new MemoryDevice(0))).ErrorId);
        Assert.Equal(ErrorIds.ImageLayerUnexpected, Assert.Throws<InvalidInputException>(() => plain.AttachDataFile(new MemoryDevice(0))).ErrorId);
        Assert.Null(plain.OpenEncryptionHeader());
    }

    [Fact]
    public async Task Zeroing_a_version_2_overlay_is_not_fast()
    {
        byte[] backing = [.. Enumerable.Repeat((byte)9, DiskBytes)];
        await using Qcow2Image image = await Sample.OpenAsync(
            new MemoryDevice(await Sample.CreateAsync(s_overlay with { Version = 2 })), Sample.Writable, backing);

        Assert.False(image.Traits.CanZeroFast);
        Assert.Equal(ErrorIds.ZeroNotFast, await IdAsync(() => image.ZeroAsync(0, 4096, ZeroFlags.OnlyIfFast, Sample.Token)));
        await image.ZeroAsync(0, 4096, ZeroFlags.None, Sample.Token);
        byte[] read = await Sample.ReadAllAsync(image);
        Assert.Equal([.. new byte[4096], .. backing[4096..]], read);
    }

    [Fact]
    public async Task Trimmed_clusters_are_used_again()
    {
        var file = new MemoryDevice(await Sample.CreateAsync(s_plain));
        await using Qcow2Image image = await Sample.OpenAsync(file, Sample.Writable);
        byte[] data = new byte[512 * 1024];
        await image.WriteAsync(0, data, Sample.Token);
        await image.FlushAsync(Sample.Token);
        long length = file.Length;

        await image.TrimAsync(0, data.Length, Sample.Token);
        await image.FlushAsync(Sample.Token);
        await image.WriteAsync(512 * 1024, data, Sample.Token);

        Assert.Equal(length, file.Length);
    }

    [Theory]
    [InlineData("size")]
    [InlineData("cluster size")]
    [InlineData("cluster size too large")]
    [InlineData("refcount width")]
    [InlineData("version")]
    [InlineData("version 2 with more")]
    [InlineData("backing without format")]
    [InlineData("backing name")]
    [InlineData("names larger than the cluster")]
    [InlineData("raw data file without data file")]
    [InlineData("raw data file with backing")]
    [InlineData("preallocated overlay")]
    [InlineData("encryption header")]
    [InlineData("extended in small clusters")]
    public async Task Refuses_options_and_touches_nothing(string row)
    {
        Qcow2CreateOptions options = row switch
        {
            "size" => s_plain with { Size = 1000 },
            "cluster size" => s_plain with { ClusterSize = 3000 },
            "cluster size too large" => s_plain with { ClusterSize = 4 << 20 },
            "refcount width" => s_plain with { RefcountBits = 3 },
            "version" => s_plain with { Version = 4 },
            "version 2 with more" => s_plain with { Version = 2, LazyRefcounts = true },
            "backing without format" => s_plain with { BackingPath = "base" },
            "backing name" => s_overlay with { BackingPath = new string('x', 1024) },
            "names larger than the cluster" => s_overlay with { ClusterSize = 512, BackingPath = new string('x', 500) },
            "raw data file without data file" => s_plain with { DataFileIsRaw = true },
            "raw data file with backing" => s_overlay with { DataFile = "data", DataFileIsRaw = true },
            "preallocated overlay" => s_overlay with { Preallocation = Core.Images.Preallocation.Metadata },
            "encryption header" => s_plain with { EncryptionHeaderLength = 1L << 40 },
            _ => s_plain with { ExtendedL2 = true },
        };
        byte[] before = [1, 2, 3, 4];
        await using var file = new MemoryDevice([.. before]);

        Assert.Equal(ErrorIds.Qcow2OptionsInvalid, await IdAsync(() => Qcow2Builder.CreateAsync(file, options, Sample.Token)));
        Assert.Equal(before, file.ToArray());
    }

    [Fact]
    public async Task Refuses_a_disk_that_the_tables_cannot_map()
    {
        await using var file = new MemoryDevice(0);
        Assert.Equal(ErrorIds.Qcow2TooLarge,
            await IdAsync(() => Qcow2Builder.CreateAsync(file, s_plain with { ClusterSize = 512, Size = 1L << 40 }, Sample.Token)));
        await using Qcow2Image image = await Sample.OpenAsync(new MemoryDevice(await Sample.CreateAsync(s_plain with { ClusterSize = 512 })), Sample.Writable);
        Assert.Equal(ErrorIds.Qcow2TooLarge, await IdAsync(() => image.SetLengthAsync(1L << 40, Sample.Token)));
        Assert.Equal(DiskBytes, image.Length);
    }

    private static async Task<Qcow2Image> OpenBareAsync(Qcow2CreateOptions options) =>
        await Qcow2Image.OpenAsync(new MemoryDevice(await Sample.CreateAsync(options)), Sample.Writable, Sample.Token);

    private static async Task<string> IdAsync(Func<ValueTask> call) =>
        (await Assert.ThrowsAnyAsync<VmCryptException>(async () => await call())).ErrorId;

    private static async Task<string> IdAsync(Func<Task<IBlockDevice>> call) => (await Assert.ThrowsAnyAsync<VmCryptException>(call)).ErrorId;

    /// <summary>Refuses writes and flushes when told to.</summary>
    private sealed class FailingDevice(byte[] content) : IBlockDevice
    {
        private readonly MemoryDevice _inner = new(content);

        public bool Fails { get; set; }

        public long Length => _inner.Length;

        public BlockTraits Traits => _inner.Traits;

        public byte[] ToArray() => _inner.ToArray();

        public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) => _inner.ReadAsync(offset, buffer, cancellationToken);

        public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
            Fails ? throw Fault() : _inner.WriteAsync(offset, buffer, cancellationToken);

        public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) =>
            Fails ? throw Fault() : _inner.ZeroAsync(offset, count, flags, cancellationToken);

        public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) => _inner.TrimAsync(offset, count, cancellationToken);

        public ValueTask FlushAsync(CancellationToken cancellationToken) => Fails ? throw Fault() : _inner.FlushAsync(cancellationToken);

        public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) =>
            _inner.ExtentsAsync(offset, count, cancellationToken);

        public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => _inner.SetLengthAsync(length, cancellationToken);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private static DeviceFaultException Fault() => new(ErrorIds.DeviceIO, "The test's device fails.");
    }
}
