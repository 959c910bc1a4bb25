using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow;

namespace VmCrypt.Interop.Tests.Images;

/// <summary>Version 1 images, which qemu-img still writes.</summary>
public sealed class QcowReadTests : IDisposable
{
    private const int DiskBytes = 3 * 1024 * 1024;

    private readonly Scratch _scratch = new();
    private readonly byte[] _disk = SampleDisk.Make(DiskBytes, seed: 3);

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Reads_plain_clusters_and_holes()
    {
        await using QcowImage image = await ConvertAsync();

        Assert.Equal(_disk, await Qcow2Disk.ReadAllAsync(image));
        long end = 0;
        await foreach (Extent extent in image.ExtentsAsync(0, image.Length, Qcow2Disk.Token))
        {
            Assert.Equal(end, extent.Offset);
            end = extent.End;
        }

        Assert.Equal(DiskBytes, end);
    }

    [Fact]
    public async Task Reads_compressed_clusters()
    {
        // QEMU 7.2 writes such images and then exits with 1, without a word; so its own reading is the measure.
        byte[] text = [.. Enumerable.Range(0, DiskBytes).Select(i => (byte)('a' + (i / 100 % 26)))];
        Tools.TryRun("qemu-img", "convert", "-q", "-c", "-f", "raw", "-O", "qcow", _scratch.File("disk.raw", text), _scratch["disk.qcow"]);
        ImageJudge.ReadsAs(text, _scratch["disk.qcow"]);
        Assert.InRange(new FileInfo(_scratch["disk.qcow"]).Length, 1, DiskBytes / 4);
        await using QcowImage image = await OpenAsync();

        Assert.Equal(text, await Qcow2Disk.ReadAllAsync(image));
        byte[] piece = new byte[10_000];
        await image.ReadAsync(123_456, piece, Qcow2Disk.Token);
        Assert.Equal(text[123_456..133_456], piece);
    }

    [Fact]
    public async Task Reads_legacy_AES()
    {
        string secret = _scratch.File("secret", "open sesame"u8);
        await using QcowImage image = await ConvertAsync("--object", $"secret,id=s,file={secret}", "-o", "encrypt.format=aes,encrypt.key-secret=s");

        Assert.True(image.IsEncrypted);
        var error = await Assert.ThrowsAsync<WrongKeyException>(async () => await image.ReadAsync(0, new byte[DiskBytes], Qcow2Disk.Token));
        Assert.Equal(ErrorIds.ImageLocked, error.ErrorId);
        image.AttachCipher(Qcow2Disk.LegacyCipher("open sesame"));
        Assert.Equal(_disk, await Qcow2Disk.ReadAllAsync(image));
    }

    [Fact]
    public async Task Reads_through_a_backing_file()
    {
        string raw = _scratch.File("base.raw", _disk);
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow", "-b", raw, "-F", "raw", _scratch["disk.qcow"], "4M");
        ImageJudge.Io(_scratch["disk.qcow"], "write -P 9 1M 100k");
        await using QcowImage image = await OpenAsync();
        Assert.Equal(raw, image.Backing?.Path);
        image.AttachBacking(new MemoryDevice([.. _disk], writable: false));

        byte[] expected = [.. _disk, .. new byte[1 << 20]];
        expected.AsSpan(1 << 20, 100 * 1024).Fill(9);
        Assert.Equal(expected, await Qcow2Disk.ReadAllAsync(image));
    }

    [Theory]
    [InlineData(7, 2, ErrorIds.QcowHeaderInvalid)]
    [InlineData(24, 0xFF, ErrorIds.QcowHeaderInvalid)]
    [InlineData(32, 8, ErrorIds.QcowHeaderInvalid)]
    [InlineData(32, 17, ErrorIds.QcowHeaderInvalid)]
    [InlineData(33, 5, ErrorIds.QcowHeaderInvalid)]
    [InlineData(33, 14, ErrorIds.QcowHeaderInvalid)]
    [InlineData(39, 2, ErrorIds.QcowCryptMethodUnsupported)]
    [InlineData(40, 0xFF, ErrorIds.QcowHeaderInvalid)]
    [InlineData(8, 1, ErrorIds.QcowHeaderInvalid)]
    [InlineData(48, 1, ErrorIds.QcowTableInvalid)]
    public async Task Refuses_a_damaged_byte(int offset, byte value, string expected)
    {
        await (await ConvertAsync()).DisposeAsync();
        byte[] bytes = File.ReadAllBytes(_scratch["disk.qcow"]);
        bytes[offset] = value;

        var error = await Assert.ThrowsAnyAsync<VmCryptException>(async () =>
        {
            await using QcowImage image = await QcowImage.OpenAsync(new MemoryDevice(bytes), Qcow2Disk.Token);
            await image.ReadAsync(0, new byte[DiskBytes], Qcow2Disk.Token);
        });

        Assert.Equal(expected, error.ErrorId);
    }

    private async Task<QcowImage> ConvertAsync(params string[] options)
    {
        Tools.Run("qemu-img", ["convert", "-q", "-f", "raw", "-O", "qcow", .. options, _scratch.File("disk.raw", _disk), _scratch["disk.qcow"]]);
        return await OpenAsync();
    }

    private async Task<QcowImage> OpenAsync() =>
        await QcowImage.OpenAsync(new MemoryDevice(File.ReadAllBytes(_scratch["disk.qcow"]), writable: false), Qcow2Disk.Token);
}
