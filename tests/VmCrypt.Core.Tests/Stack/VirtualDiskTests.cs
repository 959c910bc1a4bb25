using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Support;
using VmCrypt.Core.Wipe;

namespace VmCrypt.Core.Tests.Stack;

/// <summary>LUKS in VHDX and VHD, and chains of differencing disks.</summary>
public sealed class VirtualDiskTests : IDisposable
{
    private const int Size = 3 << 20;

    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<ImageFormat, Preallocation> Kinds => new()
    {
        { ImageFormat.Vhdx, Preallocation.Off },
        { ImageFormat.Vhdx, Preallocation.Metadata },
        { ImageFormat.Vhd, Preallocation.Off },
        { ImageFormat.Vhd, Preallocation.Metadata },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_disk_is_encrypted_over_its_container(ImageFormat format, Preallocation preallocation)
    {
        await MakeAsync("disk", format, preallocation);
        byte[] content = Noise(1);
        var options = new DiskOpenOptions { Writable = true, Format = format };
        await using (DiskStack disk = await OpenAsync("disk", options))
        {
            Assert.Equal((format, EncryptionPlacement.Over, (long)Size), (disk.Format, disk.Placement, disk.DiskSize));
            IBlockDevice plain = await UnlockAsync(disk);
            await plain.WriteAsync(0, content, Token);
            await plain.FlushAsync(Token);
        }

        await using (DiskStack again = await OpenAsync("disk", options with { Writable = false }))
        {
            Assert.Equal(content, await ReadAsync(await UnlockAsync(again)));
        }

        await using (DiskStack resized = await OpenAsync("disk", options))
        {
            await resized.ResizeAsync(Size * 2, allowShrink: false, Token);
        }

        ImageDescription description = await ImageInspector.DescribeAsync(Location("disk"), options, Token);
        Assert.Equal((EncryptionPlacement.Over, 1, Size * 2L), (description.Encryption, description.ActiveKeySlots, description.VirtualSize));
        Assert.Equal(preallocation == Preallocation.Off ? VirtualDiskKind.Dynamic : VirtualDiskKind.Fixed, description.Vhdx?.Kind ?? description.Vhd?.Kind);
        Assert.Equal(-1, File.ReadAllBytes(_scratch["disk"]).AsSpan().IndexOf(content.AsSpan(0, 64)));
    }

    [Theory]
    [InlineData(ImageFormat.Vhdx)]
    [InlineData(ImageFormat.Vhd)]
    public async Task A_chain_of_differencing_disks_is_unlocked_as_one(ImageFormat format)
    {
        byte[] model = Noise(2);
        await MakeAsync("parent", format, Preallocation.Off);
        await WriteAsync("parent", format, 0, model);
        await MakeChildAsync("child", "parent", format);
        await WriteAsync("child", format, 100_000, Noise(3).AsMemory(0, 300_000));
        await MakeChildAsync("grandchild", "child", format);
        await WriteAsync("grandchild", format, 350_000, Noise(4).AsMemory(0, 1_500_000));
        Noise(3).AsSpan(0, 300_000).CopyTo(model.AsSpan(100_000));
        Noise(4).AsSpan(0, 1_500_000).CopyTo(model.AsSpan(350_000));

        await using DiskStack disk = await OpenAsync("grandchild", new DiskOpenOptions { Format = format });

        Assert.Equal(EncryptionPlacement.Over, disk.Placement);
        Assert.Equal(model, await ReadAsync(await UnlockAsync(disk)));
        ImageDescription description = await ImageInspector.DescribeAsync(Location("grandchild"), new DiskOpenOptions { Format = format }, Token);
        Assert.Equal(_scratch["parent"], description.Backing!.Backing!.Path);
        Assert.DoesNotContain(description.Weaknesses, weakness => weakness.Id == "BackingPlain");
    }

    [Fact]
    public async Task A_parent_that_was_changed_is_not_the_parent_any_more()
    {
        await MakeAsync("parent", ImageFormat.Vhdx, Preallocation.Off);
        await MakeChildAsync("child", "parent", ImageFormat.Vhdx);
        await WriteAsync("parent", ImageFormat.Vhdx, 0, new byte[512]);

        var error = await Assert.ThrowsAsync<InvalidImageException>(() => OpenAsync("child", DiskOpenOptions.Default));

        Assert.Equal(ErrorIds.ParentMismatch, error.ErrorId);
        ImageDescription description = await ImageInspector.DescribeAsync(Location("child"), DiskOpenOptions.Default, Token);
        Assert.Equal(ErrorIds.ParentMismatch, description.Unusable!.ErrorId);
    }

    [Fact]
    public async Task Another_disk_of_the_parents_name_is_not_the_parent()
    {
        await MakeAsync("parent", ImageFormat.Vhd, Preallocation.Off);
        await MakeChildAsync("child", "parent", ImageFormat.Vhd);
        File.Delete(_scratch["parent"]);
        await MakeAsync("parent", ImageFormat.Vhd, Preallocation.Off);

        Assert.Equal(ErrorIds.ParentMismatch, (await Assert.ThrowsAsync<InvalidImageException>(() => OpenAsync("child", DiskOpenOptions.Default))).ErrorId);
    }

    [Theory]
    [InlineData(ImageFormat.Vhdx, @"..\outside", ErrorIds.PathFenced)]
    [InlineData(ImageFormat.Vhd, @"..\..\outside", ErrorIds.PathFenced)]
    [InlineData(ImageFormat.Vhdx, @".\missing", ErrorIds.ReferencedFileMissing)]
    [InlineData(ImageFormat.Vhdx, @".\child", ErrorIds.BackingChainInvalid)]
    [InlineData(ImageFormat.Vhd, @"child", ErrorIds.BackingChainInvalid)]
    public async Task A_parents_path_is_followed_within_the_fence_only(ImageFormat format, string path, string errorId)
    {
        await CreateAsync("child", new NewDisk
        {
            Size = Size,
            Format = format,
            VirtualDisk = new VirtualDiskOptions { Parent = new VirtualDiskParent(Guid.NewGuid(), path, null) },
        });

        Assert.Equal(errorId, (await Assert.ThrowsAnyAsync<VmCryptException>(() => OpenAsync("child", DiskOpenOptions.Default))).ErrorId);
    }

    [Fact]
    public async Task A_fixed_VHD_is_raw_until_somebody_says_what_it_is()
    {
        await CreateAsync("disk", new NewDisk { Size = Size, Format = ImageFormat.Vhd, Preallocation = Preallocation.Metadata });

        await using DiskStack guessed = await OpenAsync("disk", DiskOpenOptions.Default);
        await using DiskStack named = await OpenAsync("disk", new DiskOpenOptions { Format = ImageFormat.Vhd });

        Assert.Equal((ImageFormat.Raw, Size + 512L), (guessed.Format, guessed.DiskSize));
        Assert.Equal((ImageFormat.Vhd, (long)Size), (named.Format, named.DiskSize));
    }

    [Theory]
    [InlineData(ImageFormat.Vhdx)]
    [InlineData(ImageFormat.Vhd)]
    public async Task Who_erases_keys_or_disks_learns_of_the_relations(ImageFormat format)
    {
        await MakeAsync("parent", format, Preallocation.Off);
        await MakeChildAsync("child", "parent", format);
        await using DiskStack disk = await OpenAsync("child", new DiskOpenOptions { Format = format });

        KeyCopy[] copies = await KeyCopies.FindAsync(disk, DiskOpenOptions.Default, Token);
        var wipe = await Assert.ThrowsAsync<RefusedException>(
            () => new ImageRelations().RequireNoDependantsAsync(new WipeRequest { Path = _scratch["parent"] }, Token));

        Assert.Contains(copies, copy => copy.Kind == KeyCopyKind.Backing);
        Assert.Equal(ErrorIds.WipeTargetIsBacking, wipe.ErrorId);
    }

    public void Dispose() => _scratch.Dispose();

    private DiskLocation Location(string name) => DiskLocation.Parse(_scratch[name]);

    private Task<DiskStack> OpenAsync(string name, DiskOpenOptions options) => DiskStack.OpenAsync(Location(name), options, Token).AsTask();

    private Task MakeAsync(string name, ImageFormat format, Preallocation preallocation) => CreateAsync(name, new NewDisk
    {
        Size = Size,
        Format = format,
        Preallocation = preallocation,
        Encryption = LuksFormatOptions.Default with { Cost = KdfCost.OfIterations(1000) },
        VirtualDisk = new VirtualDiskOptions { BlockSize = 1 << 20 },
    });

    private async Task MakeChildAsync(string name, string parent, ImageFormat format)
    {
        ImageDescription description = await ImageInspector.DescribeAsync(Location(parent), new DiskOpenOptions { Format = format }, Token);
        await CreateAsync(name, new NewDisk
        {
            Size = description.Vhdx?.VirtualSize ?? description.Vhd!.VirtualSize,
            Format = format,
            VirtualDisk = new VirtualDiskOptions
            {
                BlockSize = 1 << 20,
                Parent = new VirtualDiskParent(description.Vhdx?.DataWriteGuid ?? description.Vhd!.UniqueId, @".\" + parent, null),
            },
        });
    }

    private async Task CreateAsync(string name, NewDisk plan)
    {
        using SecretBuffer? passphrase = plan.Encryption is null ? null : Passphrase();
        await DiskFile.CreateAsync(new DiskTarget { Location = Location(name) }, plan, passphrase, fill: null, Token);
    }

    private async Task WriteAsync(string name, ImageFormat format, long offset, ReadOnlyMemory<byte> bytes)
    {
        await using DiskStack disk = await OpenAsync(name, new DiskOpenOptions { Writable = true, Format = format });
        IBlockDevice plain = await UnlockAsync(disk);
        await plain.WriteAsync(offset, bytes, Token);
        await plain.FlushAsync(Token);
    }

    private static async Task<IBlockDevice> UnlockAsync(DiskStack disk)
    {
        using var keys = new DiskKeys(Passphrase());
        return await disk.UnlockAsync(keys, Token);
    }

    private static SecretBuffer Passphrase() => SecretBuffer.CopyOf("correct horse"u8);

    private static async Task<byte[]> ReadAsync(IBlockDevice device)
    {
        byte[] bytes = new byte[device.Length];
        await device.ReadAsync(0, bytes, Token);
        return bytes;
    }

    private static byte[] Noise(int seed)
    {
        byte[] bytes = new byte[Size];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
