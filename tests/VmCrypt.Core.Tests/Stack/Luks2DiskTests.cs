using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Luks.Luks2;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Stack;

/// <summary>LUKS2 wherever a disk can have it.</summary>
public sealed class Luks2DiskTests : IDisposable
{
    private const long Size = 1 << 20;

    private readonly Scratch _scratch = new();

    private static CancellationToken Token => Sample.Token;

    public static TheoryData<ImageFormat, bool, bool, EncryptionPlacement> Layerings => new()
    {
        { ImageFormat.Raw, false, false, EncryptionPlacement.Attached },
        { ImageFormat.Raw, true, false, EncryptionPlacement.Detached },
        { ImageFormat.Qcow2, true, false, EncryptionPlacement.Detached },
        { ImageFormat.Qcow2, false, true, EncryptionPlacement.Over },
    };

    [Theory]
    [MemberData(nameof(Layerings))]
    public async Task A_disk_goes_round_at_any_offset(ImageFormat format, bool detached, bool over, EncryptionPlacement placement)
    {
        string? header = detached ? _scratch["header"] : null;
        await MakeAsync("disk", format, header, over);
        byte[] content = Content();
        var options = new DiskOpenOptions { HeaderPath = header, Writable = true };

        await using (DiskStack disk = await OpenAsync("disk", options))
        {
            Assert.Equal((placement, LuksVersion.Luks2, Size), (disk.Placement, disk.Luks!.Version, disk.DiskSize));
            IBlockDevice plain = await UnlockAsync(disk);
            // Across the sectors of 4096 bytes, in pieces that fit none of them.
            await plain.WriteAsync(0, content.AsMemory(0, 5000), Token);
            await plain.WriteAsync(5000, content.AsMemory(5000, 512), Token);
            await plain.WriteAsync(5512, content.AsMemory(5512), Token);
            await plain.FlushAsync(Token);
        }

        await using DiskStack again = await OpenAsync("disk", options with { Writable = false });
        Assert.Equal(content, await ReadAsync(await UnlockAsync(again)));
        ImageDescription description = await ImageInspector.DescribeAsync(Location("disk"), options, Token);
        Assert.Equal((placement, 1, Size), (description.Encryption, description.ActiveKeySlots, description.VirtualSize));
        Assert.Equal(-1, File.ReadAllBytes(_scratch["disk"]).AsSpan().IndexOf(content.AsSpan(0, 64)));
    }

    [Fact]
    public async Task A_qcow2_image_can_be_the_payload()
    {
        await MakeAsync("disk", ImageFormat.Raw, header: null, over: false);
        byte[] content = Content()[..65536];
        await using (DiskStack outer = await OpenAsync("disk", new DiskOpenOptions { Writable = true }))
        {
            IBlockDevice payload = await UnlockAsync(outer);
            await Qcow2Builder.CreateAsync(payload, new Qcow2CreateOptions { Size = 65536, ClusterSize = 4096 }, Token);
        }

        var options = new DiskOpenOptions { Writable = true, PayloadFormat = ImageFormat.Qcow2 };
        await using (DiskStack disk = await OpenAsync("disk", options))
        {
            await (await UnlockAsync(disk)).WriteAsync(0, content, Token);
        }

        await using DiskStack again = await OpenAsync("disk", options with { Writable = false });
        Assert.Equal(content, await ReadAsync(await UnlockAsync(again)));
    }

    [Fact]
    public async Task LUKS2_inside_of_qcow2_is_not_made()
    {
        var error = await Assert.ThrowsAsync<UnsupportedFeatureException>(() => MakeAsync("disk", ImageFormat.Qcow2, header: null, over: false));

        Assert.Equal(ErrorIds.LuksVersionUnsupported, error.ErrorId);
        Assert.Empty(Directory.GetFiles(_scratch.Folder));
    }

    [Theory]
    [InlineData(ImageFormat.Raw, false)]
    [InlineData(ImageFormat.Qcow2, true)]
    public async Task A_header_over_something_else_is_not_made(ImageFormat format, bool detached)
    {
        var error = await Assert.ThrowsAsync<InvalidInputException>(() => MakeAsync("disk", format, detached ? _scratch["header"] : null, over: true));

        Assert.Equal(ErrorIds.InvalidParameter, error.ErrorId);
        Assert.Empty(Directory.GetFiles(_scratch.Folder));
    }

    [Fact]
    public async Task Sizes_are_rounded_up_to_the_sectors_that_are_encrypted()
    {
        await MakeAsync("disk", ImageFormat.Raw, header: null, over: false, size: 10_000);

        await using DiskStack disk = await OpenAsync("disk", new DiskOpenOptions { Writable = true });
        Assert.Equal(12288, disk.DiskSize);

        Assert.Equal(ErrorIds.InvalidParameter, (await Assert.ThrowsAsync<InvalidInputException>(
            async () => await disk.ResizeAsync(12288 + 512, allowShrink: false, Token))).ErrorId);
        await disk.ResizeAsync(20480, allowShrink: false, Token);
        Assert.Equal(20480, (await UnlockAsync(disk)).Length);
    }

    [Fact]
    public async Task A_disk_whose_first_copy_is_destroyed_opens_when_it_is_named_as_LUKS()
    {
        await MakeAsync("disk", ImageFormat.Raw, header: null, over: false);
        var bytes = new Luks2Disk(File.ReadAllBytes(_scratch["disk"]));
        bytes.Kill(0);
        File.WriteAllBytes(_scratch["disk"], bytes.Bytes);

        // A guest could have written a second copy into a raw disk, so nobody guesses.
        await using (DiskStack guessed = await OpenAsync("disk", DiskOpenOptions.Default))
        {
            Assert.Equal(ImageFormat.Raw, guessed.Format);
        }

        await using DiskStack named = await OpenAsync("disk", new DiskOpenOptions { Format = ImageFormat.Luks });
        Assert.Equal(Size, (await UnlockAsync(named)).Length);
        ImageDescription description = await ImageInspector.DescribeAsync(Location("disk"), new DiskOpenOptions { Format = ImageFormat.Luks }, Token);
        Assert.Contains(description.Weaknesses, weakness => weakness.Id == "DamagedHeaderCopy");
    }

    [Fact]
    public async Task An_unfinished_reencryption_is_described_and_not_opened()
    {
        await MakeAsync("disk", ImageFormat.Raw, header: null, over: false);
        var bytes = new Luks2Disk(File.ReadAllBytes(_scratch["disk"]));
        Evil.Luks2.Luks2Rows.Apply("an offline re-encryption", bytes);
        File.WriteAllBytes(_scratch["disk"], bytes.Bytes);

        var error = await Assert.ThrowsAsync<UnsupportedFeatureException>(async () => await OpenAsync("disk", DiskOpenOptions.Default));
        ImageDescription description = await ImageInspector.DescribeAsync(Location("disk"), DiskOpenOptions.Default, Token);

        Assert.Equal((ErrorIds.Luks2ReencryptionUnfinished, ErrorIds.Luks2ReencryptionUnfinished), (error.ErrorId, description.Unusable?.ErrorId));
        Assert.Equal((EncryptionPlacement.Attached, 1), (description.Encryption, description.ActiveKeySlots));
    }

    [Theory]
    [InlineData("SingleKeySlot FewIterations", "pbkdf2")]
    [InlineData("SingleKeySlot LittleMemory", "argon2id")]
    public async Task Weak_things_are_said(string expected, string kdf)
    {
        KdfCost cost = kdf == "pbkdf2" ? KdfCost.OfIterations(1000) : KdfCost.OfArgon2(KdfKind.Argon2id, 4, 32, 1);
        await MakeAsync("disk", ImageFormat.Raw, header: null, over: false, cost: cost);

        ImageDescription description = await ImageInspector.DescribeAsync(Location("disk"), DiskOpenOptions.Default, Token);

        Assert.Equal(expected.Split(' ').Order(), description.Weaknesses.Select(weakness => weakness.Id).Order());
    }

    public void Dispose() => _scratch.Dispose();

    private static byte[] Content()
    {
        byte[] content = new byte[Size];
        new Random(7).NextBytes(content);
        return content;
    }

    private DiskLocation Location(string name) => DiskLocation.Parse(_scratch[name]);

    private async Task MakeAsync(string name, ImageFormat format, string? header, bool over, long size = Size, KdfCost? cost = null)
    {
        using SecretBuffer passphrase = Sample.Secret(Sample.Passphrase);
        var plan = new NewDisk
        {
            Size = size,
            Format = format,
            Encryption = Sample.Luks2Options with { Cost = cost ?? Sample.Options.Cost },
            Over = over,
        };
        await DiskFile.CreateAsync(new DiskTarget { Location = Location(name), HeaderPath = header }, plan, passphrase, fill: null, Token);
    }

    private ValueTask<DiskStack> OpenAsync(string name, DiskOpenOptions options) => DiskStack.OpenAsync(Location(name), options, Token);

    private static async Task<IBlockDevice> UnlockAsync(DiskStack disk)
    {
        using var keys = new DiskKeys(Sample.Secret(Sample.Passphrase));
        return await disk.UnlockAsync(keys, Token);
    }

    private static async Task<byte[]> ReadAsync(IBlockDevice device)
    {
        byte[] bytes = new byte[device.Length];
        await device.ReadAsync(0, bytes, Token);
        return bytes;
    }
}
