using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Tests.Images.Vhd;
using VmCrypt.Core.Tests.Images.Vhdx;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Crash;

/// <summary>A disk that is compacted shows the same content after a stop at every moment, and is shorter in the end.</summary>
public sealed class CompactCrashTests
{
    private const int Blocks = 8;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("vhdx", false)]
    [InlineData("vhdx", true)]
    [InlineData("vhd", false)]
    [InlineData("vhd", true)]
    public async Task Compacting_changes_no_byte_of_the_disk(string format, bool hasParent)
    {
        var lab = new Lab(format, hasParent);
        (byte[] image, byte[] content) = await lab.MakeAsync();
        DiskHistory history = await DiskHistory.RecordAsync(image, async file =>
        {
            await using IVirtualDisk disk = await lab.OpenAsync(file, writable: true);
            Assert.Equal(lab.CanDropBlocks, await disk.CompactAsync(new Progress<JobProgress>(), Token) > 0);
        });

        for (int effects = 0; effects <= history.Count; effects++)
        {
            foreach ((string how, MemoryDevice crashed) in Crashes(history, effects))
            {
                await using (IVirtualDisk disk = await lab.OpenAsync(crashed, writable: false))
                {
                    Assert.True((await ReadAsync(disk)).AsSpan().SequenceEqual(content), $"{how} after {effects} effects");
                }

                await using IVirtualDisk again = await lab.OpenAsync(crashed, writable: true);
                await again.CompactAsync(new Progress<JobProgress>(), Token);
                Assert.True((await ReadAsync(again)).AsSpan().SequenceEqual(content), $"{how} after {effects} effects, and again");
            }
        }

        Assert.InRange(history.After(history.Count).Length, 1, image.Length - (lab.CanDropBlocks ? 2 * lab.BlockSize : 0));
    }

    [Theory]
    [InlineData("vhdx", false)]
    [InlineData("vhdx", true)]
    [InlineData("vhd", false)]
    [InlineData("vhd", true)]
    public async Task A_compacted_disk_goes_on_being_written(string format, bool hasParent)
    {
        var lab = new Lab(format, hasParent);
        (byte[] image, byte[] content) = await lab.MakeAsync();
        var file = new MemoryDevice(image);
        var random = new Random(6);
        await using (IVirtualDisk disk = await lab.OpenAsync(file, writable: true))
        {
            for (int round = 0; round < 6; round++)
            {
                await disk.CompactAsync(new Progress<JobProgress>(), Token);
                byte[] bytes = new byte[lab.BlockSize];
                random.NextBytes(bytes);
                int offset = random.Next((content.Length - bytes.Length) / 512) * 512;
                await disk.WriteAsync(offset, bytes, Token);
                bytes.CopyTo(content, offset);
                int trimmed = random.Next(Blocks - 1) * lab.BlockSize;
                await disk.ZeroAsync(trimmed, lab.BlockSize, ZeroFlags.None, Token);
                content.AsSpan(trimmed, lab.BlockSize).Clear();
            }

            Assert.Equal(content, await ReadAsync(disk));
        }

        await using IVirtualDisk reopened = await lab.OpenAsync(new MemoryDevice(file.ToArray(), writable: false), writable: false);
        Assert.Equal(content, await ReadAsync(reopened));
    }

    [Fact]
    public async Task A_bitmap_that_no_block_needs_keeps_its_place()
    {
        var lab = new Lab("vhdx", hasParent: true);
        var file = new MemoryDevice(await lab.CreateAsync());
        byte[] content;
        await using (IVirtualDisk disk = await lab.OpenAsync(file, writable: true))
        {
            content = await ReadAsync(disk);
            // The only block in part comes, and with it the bitmap of its chunk; then it goes.
            await WriteAsync(disk, 0, Proof.Ciphertext.Of(4096, seed: 1));
            await disk.ZeroAsync(0, lab.BlockSize, ZeroFlags.None, Token);
            content.AsSpan(0, lab.BlockSize).Clear();
            await WriteAsync(disk, 2 * lab.BlockSize, Proof.Ciphertext.Of(lab.BlockSize, seed: 2));
            await WriteAsync(disk, 3 * lab.BlockSize, Proof.Ciphertext.Of(lab.BlockSize, seed: 3));
            await disk.CompactAsync(new Progress<JobProgress>(), Token);
            await WriteAsync(disk, 5 * lab.BlockSize, Proof.Ciphertext.Of(4096, seed: 4));
        }

        await using IVirtualDisk reopened = await lab.OpenAsync(file, writable: true);
        Assert.Equal(content, await ReadAsync(reopened));

        async Task WriteAsync(IVirtualDisk disk, int offset, byte[] bytes)
        {
            await disk.WriteAsync(offset, bytes, Token);
            bytes.CopyTo(content, offset);
        }
    }

    [Theory]
    [InlineData("vhdx")]
    [InlineData("vhd")]
    public async Task An_empty_disk_is_as_short_as_a_new_one(string format)
    {
        var lab = new Lab(format, hasParent: false);
        byte[] fresh = await lab.CreateAsync();
        var file = new MemoryDevice([.. fresh]);
        await using (IVirtualDisk disk = await lab.OpenAsync(file, writable: true))
        {
            await disk.WriteAsync(0, new byte[disk.Length], Token);
            await disk.CompactAsync(new Progress<JobProgress>(), Token);
        }

        // What was padding behind the table may go, too.
        Assert.InRange(file.Length, 1, fresh.Length);
        await using IVirtualDisk reopened = await lab.OpenAsync(new MemoryDevice(file.ToArray(), writable: false), writable: false);
        Assert.Equal(-1, (await ReadAsync(reopened)).AsSpan().IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public async Task Children_still_know_a_parent_that_was_compacted_and_not_one_that_was_written_afterwards()
    {
        var lab = new Lab("vhdx", hasParent: false);
        (byte[] image, _) = await lab.MakeAsync();
        var file = new MemoryDevice(image);
        await using IVirtualDisk disk = await lab.OpenAsync(file, writable: true);
        Guid before = disk.Identity;

        await disk.CompactAsync(new Progress<JobProgress>(), Token);
        Guid compacted = disk.Identity;
        await disk.WriteAsync(0, new byte[512], Token);

        Assert.Equal(before, compacted);
        Assert.NotEqual(before, disk.Identity);
    }

    [Theory]
    [InlineData("vhdx")]
    [InlineData("vhd")]
    public async Task A_fixed_disk_is_refused(string format)
    {
        byte[] image = format == "vhdx"
            ? await VhdxSample.CreateAsync(VhdxSample.Dynamic(VhdxSample.Block) with { Preallocation = Preallocation.Metadata })
            : await VhdSample.CreateAsync(VhdSample.Dynamic(VhdSample.Block) with { Preallocation = Preallocation.Metadata });
        await using IVirtualDisk disk = await new Lab(format, hasParent: false).OpenAsync(new MemoryDevice(image), writable: true);

        var error = await Assert.ThrowsAsync<Errors.UnsupportedFeatureException>(() => disk.CompactAsync(new Progress<JobProgress>(), Token).AsTask());

        Assert.Equal(Errors.ErrorIds.CompactUnsupported, error.ErrorId);
    }

    private static (string How, MemoryDevice Crashed)[] Crashes(DiskHistory history, int effects) =>
        [("killed", history.After(effects)), ("power cut", history.AfterPowerCut(effects, 0)), ("another power cut", history.AfterPowerCut(effects, 1))];

    private static async Task<byte[]> ReadAsync(IVirtualDisk disk)
    {
        byte[] bytes = new byte[disk.Length];
        await disk.ReadAsync(0, bytes, Token);
        return bytes;
    }

    /// <summary>Disks of one format, over a parent or alone.</summary>
    private sealed class Lab(string format, bool hasParent)
    {
        private readonly byte[] _parent = Proof.Ciphertext.Of(Blocks * (format == "vhdx" ? VhdxSample.Block : VhdSample.Block), seed: 9);

        public int BlockSize { get; } = format == "vhdx" ? VhdxSample.Block : VhdSample.Block;

        /// <summary>A differencing VHD cannot say that a block is zero where the parent's is not.</summary>
        public bool CanDropBlocks => format == "vhdx" || !hasParent;

        // The last block is cut short by the end of the disk.
        private long Size => (Blocks * (long)BlockSize) - 4096;

        public Task<byte[]> CreateAsync() => format == "vhdx"
            ? VhdxSample.CreateAsync(hasParent ? VhdxSample.Differencing(Size) : VhdxSample.Dynamic(Size))
            : VhdSample.CreateAsync(hasParent ? VhdSample.Differencing(Size) : VhdSample.Dynamic(Size));

        /// <summary>A disk whose blocks were written in some order, and some of them zeroed again in two ways.</summary>
        public async Task<(byte[] Image, byte[] Content)> MakeAsync()
        {
            var file = new MemoryDevice(await CreateAsync());
            byte[] content = hasParent ? _parent[..(int)Size] : new byte[Size];
            await using (IVirtualDisk disk = await OpenAsync(file, writable: true))
            {
                foreach (int block in new[] { 2, 0, 7, 5, 1, 6, 3 })
                {
                    int length = (int)Math.Min(BlockSize, Size - ((long)block * BlockSize)) - (block == 1 ? 8192 : 0);
                    byte[] bytes = block is 0 or 5 ? new byte[length] : Proof.Ciphertext.Of(length, block);
                    await disk.WriteAsync((long)block * BlockSize, bytes, Token);
                    bytes.CopyTo(content, block * BlockSize);
                }

                await disk.ZeroAsync(2L * BlockSize, BlockSize, ZeroFlags.None, Token);
                content.AsSpan(2 * BlockSize, BlockSize).Clear();
            }

            return (file.ToArray(), content);
        }

        public async Task<IVirtualDisk> OpenAsync(IBlockDevice file, bool writable) => format == "vhdx"
            ? await VhdxSample.OpenAsync(file, writable ? VhdxSample.Writable : null, _parent)
            : await VhdSample.OpenAsync(file, writable ? VhdSample.Writable : null, _parent);
    }
}
