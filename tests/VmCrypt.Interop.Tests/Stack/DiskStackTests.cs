using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Interop.Tests.Stack;

/// <summary>Whole disks: made by QEMU and opened by us, made by us and opened by QEMU.</summary>
public sealed class DiskStackTests : IDisposable
{
    private const string Passphrase = "correct horse battery staple";
    private const int DiskSize = 8 * 1024 * 1024;

    private readonly Scratch _scratch = new();

    [Theory]
    [InlineData("luks", "", "driver=luks,key-secret=key,file.driver=file,file.filename={0}", EncryptionPlacement.Attached)]
    [InlineData("qcow2", "encrypt.", "driver=qcow2,encrypt.key-secret=key,file.driver=file,file.filename={0}", EncryptionPlacement.Inside)]
    public async Task Opens_what_qemu_encrypted(string format, string prefix, string options, EncryptionPlacement placement)
    {
        string image = _scratch["disk"];
        string[] secret = QemuImg.Secret(_scratch, Passphrase);
        string luks = prefix.Length > 0 ? $"{prefix}format=luks," : string.Empty;
        QemuImg.Create([.. secret, "-f", format, "-o", $"{luks}{prefix}key-secret=key,{prefix}iter-time=10", image, DiskSize.ToString()]);
        QemuImg.IO(string.Format(options, image), secret, "write -P 0x11 0 64k", "write -P 0x22 1000k 3M", "write -P 0x33 8191k 1k");

        await using DiskStack disk = await OpenAsync(image);
        using DiskKeys keys = Keys(Passphrase);
        byte[] ours = await ReadAllAsync(await disk.UnlockAsync(keys, default));

        Assert.Equal(placement, disk.Placement);
        Assert.Equal(QemuImg.Read(_scratch, string.Format(options, image), secret), ours);
    }

    [Theory]
    [InlineData(ImageFormat.Raw, "driver=luks,key-secret=key,file.driver=file,file.filename={0}")]
    [InlineData(ImageFormat.Qcow2, "driver=qcow2,encrypt.key-secret=key,file.driver=file,file.filename={0}")]
    [InlineData(ImageFormat.Vhdx, "driver=luks,key-secret=key,file.driver=vhdx,file.file.driver=file,file.file.filename={0}")]
    [InlineData(ImageFormat.Vhd, "driver=luks,key-secret=key,file.driver=vpc,file.file.driver=file,file.file.filename={0}")]
    public async Task Makes_what_qemu_opens(ImageFormat format, string options)
    {
        string image = _scratch["disk"];
        byte[] content = Content();
        await MakeAsync(image, format, content);

        string[] secret = QemuImg.Secret(_scratch, Passphrase);
        byte[] theirs = QemuImg.Read(_scratch, string.Format(options, image), secret);

        Assert.Equal(content, theirs);
        if (format == ImageFormat.Qcow2)
        {
            QemuImg.Check(string.Format(options, image), secret);
        }
    }

    [Theory]
    [InlineData(ImageFormat.Raw)]
    [InlineData(ImageFormat.Qcow2)]
    public async Task A_wrong_passphrase_opens_nothing_and_the_right_one_still_does(ImageFormat format)
    {
        string image = _scratch["disk"];
        await MakeAsync(image, format, Content());
        await using DiskStack disk = await OpenAsync(image);
        using DiskKeys none = new();
        using DiskKeys wrong = Keys("wrong");
        using DiskKeys right = Keys(Passphrase);

        Assert.Equal(ErrorIds.KeyRequired, (await Assert.ThrowsAsync<InvalidInputException>(async () => await disk.UnlockAsync(none, default))).ErrorId);
        Assert.Equal(ErrorIds.WrongPassphrase, (await Assert.ThrowsAsync<WrongKeyException>(async () => await disk.UnlockAsync(wrong, default))).ErrorId);
        Assert.Equal(Content(), await ReadAllAsync(await disk.UnlockAsync(right, default)));
    }

    [Fact]
    public async Task Opens_luks_under_qcow2_only_when_told_that_the_payload_is_an_image()
    {
        string image = _scratch["disk"];
        await MakeAsync(image, ImageFormat.Raw, File.ReadAllBytes(PlainQcow2(0x5A)));
        using DiskKeys keys = Keys(Passphrase);

        await using (DiskStack guessed = await OpenAsync(image))
        {
            Assert.Equal("QFI"u8.ToArray(), (await ReadAllAsync(await guessed.UnlockAsync(keys, default)))[..3]);
        }

        await using DiskStack told = await OpenAsync(image, DiskOpenOptions.Default with { PayloadFormat = ImageFormat.Qcow2 });
        byte[] ours = await ReadAllAsync(await told.UnlockAsync(keys, default));

        string options = $"driver=qcow2,file.driver=luks,file.key-secret=key,file.file.driver=file,file.file.filename={image}";
        Assert.Equal(QemuImg.Read(_scratch, options, QemuImg.Secret(_scratch, Passphrase)), ours);
        Assert.Equal(0x5A, ours[4096]);
    }

    [Fact]
    public async Task Opens_luks_over_qcow2()
    {
        string luks = _scratch["luks"];
        byte[] content = Content();
        await MakeAsync(luks, ImageFormat.Raw, content);
        string image = _scratch["disk.qcow2"];
        Tools.Run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", luks, image);

        await using DiskStack disk = await OpenAsync(image);
        using DiskKeys keys = Keys(Passphrase);

        Assert.Equal(EncryptionPlacement.Over, disk.Placement);
        Assert.Equal(content, await ReadAllAsync(await disk.UnlockAsync(keys, default)));
        string options = $"driver=luks,key-secret=key,file.driver=qcow2,file.file.driver=file,file.file.filename={image}";
        Assert.Equal(content, QemuImg.Read(_scratch, options, QemuImg.Secret(_scratch, Passphrase)));
    }

    [Fact]
    public async Task Every_layer_of_a_chain_has_its_own_secret()
    {
        string[] secrets = [.. QemuImg.Secret(_scratch, "base secret", "base"), .. QemuImg.Secret(_scratch, "top secret", "top")];
        QemuImg.Create([.. secrets, "-f", "qcow2", "-o", "encrypt.format=luks,encrypt.key-secret=base,encrypt.iter-time=10", _scratch["base.qcow2"], DiskSize.ToString()]);
        QemuImg.IO($"driver=qcow2,encrypt.key-secret=base,file.driver=file,file.filename={_scratch["base.qcow2"]}", secrets, "write -P 0x77 0 1M");
        QemuImg.Create([.. secrets, "-u", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2",
            "-o", "encrypt.format=luks,encrypt.key-secret=top,encrypt.iter-time=10", _scratch["top.qcow2"], DiskSize.ToString()]);
        string options = $"driver=qcow2,encrypt.key-secret=top,file.driver=file,file.filename={_scratch["top.qcow2"]},"
            + $"backing.driver=qcow2,backing.encrypt.key-secret=base,backing.file.driver=file,backing.file.filename={_scratch["base.qcow2"]}";
        QemuImg.IO(options, secrets, "write -P 0x88 512k 4k");

        await using DiskStack disk = await OpenAsync(_scratch["top.qcow2"]);
        using DiskKeys keys = Keys("top secret");
        keys.Add("base.qcow2", Secret("base secret"));
        byte[] ours = await ReadAllAsync(await disk.UnlockAsync(keys, default));

        Assert.Equal(QemuImg.Read(_scratch, options, secrets), ours);
        Assert.Equal((0x77, 0x88), (ours[0], ours[512 * 1024]));
    }

    [Theory]
    [InlineData("42", 16)]
    [InlineData("a passphrase that is longer than sixteen bytes", 16)]
    public async Task Liberates_data_from_legacy_aes(string passphrase, int sample)
    {
        string image = _scratch["old.qcow2"];
        string[] secret = QemuImg.Secret(_scratch, passphrase);
        QemuImg.Create([.. secret, "-f", "qcow2", "-o", "encrypt.format=aes,encrypt.key-secret=key", image, "4M"]);
        string options = $"driver=qcow2,encrypt.key-secret=key,file.driver=file,file.filename={image}";
        QemuImg.IO(options, secret, "write -P 0x44 0 100k", "write -P 0x55 3M 1M");

        await using DiskStack disk = await OpenAsync(image);
        using DiskKeys keys = Keys(passphrase);
        byte[] ours = await ReadAllAsync(await disk.UnlockAsync(keys, default));

        Assert.Equal(EncryptionPlacement.LegacyAes, disk.Placement);
        Assert.Equal(QemuImg.Read(_scratch, options, secret), ours);
        Assert.Equal(Enumerable.Repeat((byte)0x44, sample), ours[..sample]);
    }

    [Fact]
    public async Task Opens_an_encrypted_disk_as_it_was_when_a_snapshot_was_taken()
    {
        string image = _scratch["disk.qcow2"];
        byte[] before = Content();
        await MakeAsync(image, ImageFormat.Qcow2, before);
        string[] secret = QemuImg.Secret(_scratch, Passphrase);
        string options = $"driver=qcow2,encrypt.key-secret=key,file.driver=file,file.filename={image}";
        Tools.Run("qemu-img", ["snapshot", .. secret, "--image-opts", "-c", "monday", options]);
        QemuImg.IO(options, secret, "write -P 0x66 0 8M");
        using DiskKeys keys = Keys(Passphrase);

        await using (DiskStack now = await OpenAsync(image))
        {
            Assert.All(await ReadAllAsync(await now.UnlockAsync(keys, default)), value => Assert.Equal(0x66, value));
        }

        await using DiskStack then = await OpenAsync(image, DiskOpenOptions.Default with { Snapshot = "monday" });
        Assert.Equal(before, await ReadAllAsync(await then.UnlockAsync(keys, default)));
    }

    [Fact]
    public async Task Refuses_snapshots_that_are_not_there_or_to_be_written()
    {
        string image = PlainQcow2(1);
        using DiskKeys none = new();
        await using DiskStack disk = await OpenAsync(image, DiskOpenOptions.Default with { Snapshot = "gone" });

        Assert.Equal(ErrorIds.Qcow2SnapshotMissing, (await Assert.ThrowsAsync<MissingException>(async () => await disk.UnlockAsync(none, default))).ErrorId);
        Assert.Equal(ErrorIds.InvalidParameter, (await Assert.ThrowsAsync<InvalidInputException>(
            async () => await OpenAsync(image, DiskOpenOptions.Default with { Snapshot = "gone", Writable = true }))).ErrorId);
        Assert.Equal(ErrorIds.SnapshotUnsupported, (await Assert.ThrowsAsync<InvalidInputException>(
            async () => await OpenAsync(_scratch.File("raw", new byte[4096]), DiskOpenOptions.Default with { Snapshot = "x" }))).ErrorId);
    }

    [Fact]
    public async Task A_raw_disk_by_guess_refuses_to_become_an_image_of_another_format()
    {
        string image = _scratch.File("raw", new byte[65536]);
        using DiskKeys none = new();
        byte[] header = File.ReadAllBytes(PlainQcow2(1))[..512];

        await using (DiskStack guessed = await OpenAsync(image, DiskOpenOptions.Default with { Writable = true }))
        {
            IBlockDevice device = await guessed.UnlockAsync(none, default);
            var refusal = await Assert.ThrowsAsync<RefusedException>(async () => await device.WriteAsync(0, header, default));
            Assert.Equal(ErrorIds.RawHeaderWrite, refusal.ErrorId);
            await device.WriteAsync(0, new byte[] { 1, 2, 3 }, default);
        }

        await using DiskStack named = await OpenAsync(image, DiskOpenOptions.Default with { Writable = true, Format = ImageFormat.Raw });
        await (await named.UnlockAsync(none, default)).WriteAsync(0, header, default);
    }

    [Fact]
    public async Task A_qcow2_disk_with_a_backing_file_elsewhere_is_described_but_not_opened()
    {
        string image = _scratch["overlay.qcow2"];
        QemuImg.Create("-u", "-f", "qcow2", "-b", "/etc/hostname", "-F", "raw", image, "1M");

        var error = await Assert.ThrowsAsync<RefusedException>(async () => await OpenAsync(image));
        ImageDescription described = await ImageInspector.DescribeAsync(DiskLocation.Parse(image), DiskOpenOptions.Default, default);

        Assert.Equal(ErrorIds.PathFenced, error.ErrorId);
        Assert.Equal(ErrorIds.PathFenced, described.Unusable?.ErrorId);
        Assert.Equal(1024 * 1024, described.VirtualSize);
    }

    public void Dispose() => _scratch.Dispose();

    internal static SecretBuffer Secret(string text) => SecretBuffer.CopyOf(Encoding.UTF8.GetBytes(text));

    private static DiskKeys Keys(string passphrase) => new(Secret(passphrase));

    private static ValueTask<DiskStack> OpenAsync(string path, DiskOpenOptions? options = null) =>
        DiskStack.OpenAsync(DiskLocation.Parse(path), options ?? DiskOpenOptions.Default, TestContext.Current.CancellationToken);

    private static async Task<byte[]> ReadAllAsync(IBlockDevice device)
    {
        byte[] content = new byte[device.Length];
        await device.ReadAsync(0, content, TestContext.Current.CancellationToken);
        return content;
    }

    private static byte[] Content()
    {
        byte[] content = new byte[DiskSize];
        new Random(7).NextBytes(content.AsSpan(DiskSize / 4, DiskSize / 2));
        return content;
    }

    private static async Task MakeAsync(string path, ImageFormat format, byte[] content)
    {
        var plan = new NewDisk
        {
            Format = format,
            Size = content.Length,
            Encryption = LuksFormatOptions.Default with { Cost = KdfCost.OfIterations(1000) },
        };
        using SecretBuffer passphrase = Secret(Passphrase);
        await DiskFile.CreateAsync(
            new DiskTarget { Location = DiskLocation.Parse(path) }, plan, passphrase,
            async (disk, token) => await disk.Device.WriteAsync(0, content, token), default);
    }

    private string PlainQcow2(byte pattern)
    {
        string path = _scratch[$"plain-{pattern}.qcow2"];
        QemuImg.Create("-f", "qcow2", path, "2M");
        QemuImg.IO($"driver=qcow2,file.driver=file,file.filename={path}", [], $"write -P {pattern} 0 1M");
        return path;
    }
}
