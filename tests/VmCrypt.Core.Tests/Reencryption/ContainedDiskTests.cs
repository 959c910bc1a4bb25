using System.Buffers.Binary;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhd;
using VmCrypt.Core.Images.Vhdx;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Images.Vhd;
using VmCrypt.Core.Tests.Images.Vhdx;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>What of VHDX and VHD is converted, what is not, and what is left of the file afterwards.</summary>
public sealed class ContainedDiskTests : IDisposable
{
    private const int MiB = 1 << 20;
    private const int GiB = 1 << 30;

    private readonly Scratch _scratch = new();

    [Fact]
    public async Task A_differencing_VHDX_is_refused_and_untouched() => await AssertRefusedAsync<UnsupportedFeatureException>(
        ErrorIds.InPlaceUnsupported, await VhdxSample.CreateAsync(VhdxSample.Differencing(4 * MiB)));

    [Fact]
    public async Task A_differencing_VHD_is_refused_and_untouched() => await AssertRefusedAsync<UnsupportedFeatureException>(
        ErrorIds.InPlaceUnsupported, await VhdSample.CreateAsync(VhdSample.Differencing(4 * MiB)));

    [Fact]
    public async Task A_child_is_not_opened_over_a_parent_that_is_half_decrypted()
    {
        VhdCreateOptions parent = VhdSample.Dynamic(4 * MiB);
        byte[] below = await VhdSample.CreateAsync(parent);
        await using (IVirtualDisk disk = await VhdSample.OpenAsync(new MemoryDevice(below)))
        {
            var named = new VirtualDiskParent(disk.Identity, @".\parent.vhd", null);
            _scratch.File("child.vhd", await VhdSample.CreateAsync(VhdSample.Differencing(4 * MiB) with { Parent = named }));
        }

        DiskLocation child = DiskLocation.Parse(_scratch["child.vhd"]);
        _scratch.File("parent.vhd", below);
        await (await DiskStack.OpenAsync(child, DiskOpenOptions.Default, Sample.Token)).DisposeAsync();
        _scratch.File("parent.vhd.vmcrypt-header", []);

        var error = await Assert.ThrowsAsync<UnsupportedFeatureException>(async () => await DiskStack.OpenAsync(child, DiskOpenOptions.Default, Sample.Token));

        Assert.Equal(ErrorIds.Luks2ReencryptionUnfinished, error.ErrorId);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_VHDX_whose_table_is_damaged_is_refused_and_untouched(bool shared)
    {
        byte[] file = await VhdxSample.WithContentAsync(VhdxSample.Dynamic(0), [.. Enumerable.Repeat((byte)7, 3 * MiB)]);
        int table = (int)(await VhdxLayout.ReadAsync(new MemoryDevice(file, writable: false), Sample.Token)).Bat.Offset;
        ulong place = BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(table));
        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(table + (2 * sizeof(ulong))), shared ? place : place + (64UL << 20));

        await AssertRefusedAsync<InvalidImageException>(ErrorIds.BlockTablesDamaged, file);
    }

    [Fact]
    public async Task A_VHDX_whose_last_block_would_grow_into_another_is_refused_and_untouched()
    {
        const int Block = 2 * MiB;
        byte[] disk = [.. Enumerable.Repeat((byte)7, (2 * Block) + 4096)];
        byte[] file = await VhdxSample.WithContentAsync(VhdxSample.Dynamic(0) with { BlockSize = Block }, disk);
        int table = (int)(await VhdxLayout.ReadAsync(new MemoryDevice(file, writable: false), Sample.Token)).Bat.Offset;
        ulong last = BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(table + (2 * sizeof(ulong))));
        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(table + sizeof(ulong)), last + MiB);

        await AssertRefusedAsync<InvalidImageException>(ErrorIds.BlockTablesDamaged, [.. file, .. new byte[Block]]);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(512)]
    [InlineData(1 << 30)]
    public async Task A_VHD_whose_table_is_damaged_is_refused_and_untouched(int behind)
    {
        byte[] file = await VhdSample.WithContentAsync(VhdSample.Dynamic(0), [.. Enumerable.Repeat((byte)7, MiB)]);
        int table = TableOf(file);
        int place = BinaryPrimitives.ReadInt32BigEndian(file.AsSpan(table));
        BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(table + sizeof(int)), place + (behind / 512));

        await AssertRefusedAsync<InvalidImageException>(ErrorIds.BlockTablesDamaged, file);
    }

    [Fact]
    public async Task A_VHD_of_the_largest_size_has_no_room_for_a_header() => await AssertRefusedAsync<RefusedException>(
        ErrorIds.NoRoomForHeader, await VhdSample.CreateAsync(new VhdCreateOptions { Size = VhdLimits.MaxDiskSize }));

    [Fact]
    public async Task A_disk_with_LUKS_inside_is_encrypted_already()
    {
        (MemoryDevice luks, _, _) = await Sample.FormatAsync(Sample.Luks2Options);

        await AssertRefusedAsync<RefusedException>(ErrorIds.AlreadyEncrypted, await VhdxSample.WithContentAsync(VhdxSample.Dynamic(0), luks.ToArray()));
    }

    [Fact]
    public async Task Holes_that_are_left_take_no_room()
    {
        byte[] file = await VhdxSample.CreateAsync(VhdxSample.Dynamic(30 * MiB));
        await using (VhdxImage image = await VhdxSample.OpenAsync(new MemoryDevice(file), VhdxSample.Writable))
        {
            await image.WriteAsync(20 * MiB, new byte[4096], Sample.Token);
        }

        var device = new MemoryDevice(file);
        await ProtectAsync(device, Sample.Luks2Options, options => options with { LeaveHoles = true });

        Assert.InRange(device.Length, file.Length, file.Length + (20 * MiB));
    }

    [Fact]
    public async Task A_large_disk_with_little_data_takes_little()
    {
        string path = _scratch["large"];
        byte[] data = [.. Enumerable.Range(0, MiB).Select(at => (byte)(at / 7))];
        await using (FileDevice file = await FileDevice.CreateAsync(path, FileCreateOptions.Sparse, Sample.Token))
        {
            await VhdxBuilder.CreateAsync(file, new VhdxCreateOptions { Size = 8L * GiB }, Sample.Token);
            await using VhdxImage disk = await VhdxSample.OpenAsync(SubDevice.Tail(file, 0, ownsInner: false), VhdxSample.Writable);
            await disk.WriteAsync(0, data, Sample.Token);
            await disk.WriteAsync(5L * GiB, data, Sample.Token);
        }

        var options = new ReencryptionOptions { Location = DiskLocation.Parse(path), Encryption = Sample.Luks2Options, LeaveHoles = true };
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
        await DiskReencryption.ProtectAsync(options, passphrase, null, Sample.Token);
        Assert.InRange(Storage.AllocatedBytes(path), 2 * MiB, 80 * MiB);
        await DiskReencryption.UpdateKeyAsync(options, passphrase, [passphrase], null, Sample.Token);
        await DiskReencryption.UnprotectAsync(options, passphrase, null, Sample.Token);

        Assert.InRange(Storage.AllocatedBytes(path), 2 * MiB, 80 * MiB);
        await using DiskStack done = await DiskStack.OpenAsync(options.Location, DiskOpenOptions.Default, Sample.Token);
        Assert.Equal(8L * GiB, done.DiskSize);
        byte[] found = new byte[data.Length];
        await done.Active.Contents.ReadAsync(5L * GiB, found, Sample.Token);
        Assert.Equal(data, found);
    }

    [Theory]
    [InlineData(ImageFormat.Vhdx, false)]
    [InlineData(ImageFormat.Vhdx, true)]
    [InlineData(ImageFormat.Vhd, false)]
    [InlineData(ImageFormat.Vhd, true)]
    public async Task Places_that_nothing_refers_to_are_overwritten_where_that_is_asked_for(ImageFormat format, bool wipe)
    {
        var device = new MemoryDevice(await LeakingAsync(format));

        await ProtectAsync(device, Sample.Luks2Options, options => options with { WipeFreed = wipe });

        Assert.Equal(!wipe, device.ToArray().AsSpan().IndexOf(Enumerable.Repeat((byte)0x5a, 512).ToArray()) >= 0);
        await using IVirtualDisk disk = await VirtualDiskOpener.OpenAsync(device, format, Sample.Token);
        Assert.Empty((await ((IHostMapped)disk).MapHostAsync(Sample.Token)).Defects);
    }

    public void Dispose() => _scratch.Dispose();

    /// <summary>A file with a place between its blocks that nothing refers to.</summary>
    private static async Task<byte[]> LeakingAsync(ImageFormat format)
    {
        byte[] file = format == ImageFormat.Vhdx
            ? await VhdxSample.CreateAsync(VhdxSample.Dynamic(4 * MiB))
            : await VhdSample.CreateAsync(VhdSample.Dynamic(4 * MiB));
        byte[] leak = [.. Enumerable.Repeat((byte)0x5a, MiB)];
        int end = format == ImageFormat.Vhdx ? file.Length : file.Length - VhdFooter.Size;
        file = [.. file[..end], .. leak, .. file[end..]];
        return format == ImageFormat.Vhdx ? await WithBlockAsync(file) : PlaceBlock(file);
    }

    private static async Task<byte[]> WithBlockAsync(byte[] file)
    {
        var device = new MemoryDevice(file);
        await using (VhdxImage image = await VhdxSample.OpenAsync(SubDevice.Tail(device, 0, ownsInner: false), VhdxSample.Writable))
        {
            await image.WriteAsync(0, new byte[4096], Sample.Token);
        }

        return device.ToArray();
    }

    // A VHD takes the room behind its last block for its own, so that the block must stand there already.
    private static byte[] PlaceBlock(byte[] file)
    {
        int place = file.Length - VhdFooter.Size;
        byte[] block = new byte[VhdFooter.Size + VhdSample.Block];
        block.AsSpan(0, VhdSample.Block / 512 / 8).Fill(byte.MaxValue);
        byte[] longer = [.. file[..place], .. block, .. file[place..]];
        BinaryPrimitives.WriteInt32BigEndian(longer.AsSpan(TableOf(longer)), place / 512);
        return longer;
    }

    private static int TableOf(byte[] vhd) => (int)BinaryPrimitives.ReadInt64BigEndian(vhd.AsSpan(VhdFooter.Size + 16));

    private static async Task ProtectAsync(MemoryDevice file, Core.Luks.LuksFormatOptions luks, Func<ReencryptionOptions, ReencryptionOptions>? change = null)
    {
        var options = new ReencryptionOptions { Location = DiskLocation.Parse("disk"), Encryption = luks };
        await using ReencryptedImage image = await ReencryptedImage.OpenAsync(
            change?.Invoke(options) ?? options, SubDevice.Tail(file, 0, ownsInner: false), new MemoryShelf(), detached: null, Sample.Token);
        using SecretBuffer secret = Sample.Secret(Sample.Passphrase);
        await DiskReencryption.ProtectAsync(image, secret, null, Sample.Token);
    }

    private static async Task AssertRefusedAsync<TException>(string id, byte[] file)
        where TException : VmCryptException
    {
        var device = new MemoryDevice([.. file]);

        TException error = await Assert.ThrowsAsync<TException>(() => ProtectAsync(device, Sample.Luks2Options));

        Assert.Equal(id, error.ErrorId);
        Assert.Equal(file, device.ToArray());
    }
}
