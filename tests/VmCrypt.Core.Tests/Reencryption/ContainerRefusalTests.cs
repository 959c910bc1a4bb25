using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhd;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Luks;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>A container that is taken for a raw disk would be destroyed.</summary>
public sealed class ContainerRefusalTests
{
    private const int Length = 4 << 20;

    [Theory]
    [InlineData("Qcow", 0, "QFI\xfb\0\0\0\x01")]
    [InlineData("Vhdx", 0, "vhdxfile")]
    [InlineData("Vhd", 0, "conectix")]
    [InlineData("VMDK", 0, "KDMV")]
    [InlineData("VMDK", 0, "COWD")]
    [InlineData("VMDK", 0, "# Disk DescriptorFile\n")]
    [InlineData("QED", 0, "QED\0")]
    [InlineData("Parallels", 0, "WithoutFreeSpace")]
    [InlineData("Parallels", 0, "WithouFreSpacExt")]
    [InlineData("Bochs", 0, "Bochs Virtual HD Image")]
    [InlineData("VDI", 64, "\x7f\x10\xda\xbe")]
    [InlineData("DMG", Length - 512, "koly")]
    public async Task Is_not_encrypted(string name, int offset, string magic)
    {
        byte[] disk = new byte[Length];
        Encoding.Latin1.GetBytes(magic).CopyTo(disk, offset);

        await AssertRefusedAsync(name, disk, (image, secret) => DiskReencryption.ProtectAsync(image, secret, null, Sample.Token), ImageFormat.Raw);
    }

    [Fact]
    public async Task A_fixed_VHD_which_only_its_end_tells_is_not_encrypted_as_a_raw_disk() =>
        await AssertRefusedAsync("Vhd", await FixedVhdAsync(), (image, secret) => DiskReencryption.ProtectAsync(image, secret, null, Sample.Token));

    [Fact]
    public async Task A_fixed_VHD_with_LUKS_inside_is_neither_decrypted_nor_given_another_key_as_a_raw_disk()
    {
        byte[] disk = await FixedVhdAsync();
        (MemoryDevice luks, _, _) = await Sample.FormatAsync(Sample.Luks2Options);
        luks.ToArray().CopyTo(disk, 0);

        await AssertRefusedAsync("Vhd", disk, (image, secret) => DiskReencryption.UnprotectAsync(image, secret, null, Sample.Token));
        await AssertRefusedAsync("Vhd", disk, (image, secret) => DiskReencryption.UpdateKeyAsync(image, secret, [secret], null, Sample.Token));
    }

    [Fact]
    public async Task A_footer_that_is_none_does_not_matter()
    {
        byte[] disk = new byte[Length];
        "conectix"u8.CopyTo(disk.AsSpan(Length - 512));

        Assert.Null(await ContainerProbe.NameAsync(new MemoryDevice(disk), Sample.Token));
    }

    private static async Task<byte[]> FixedVhdAsync()
    {
        var file = new MemoryDevice(0);
        await VhdBuilder.CreateAsync(file, new VhdCreateOptions { Size = Length, Preallocation = Preallocation.Metadata }, Sample.Token);
        return file.ToArray();
    }

    private static async Task AssertRefusedAsync(string name, byte[] disk, Func<ReencryptedImage, SecretBuffer, Task> convert, ImageFormat? named = null)
    {
        var options = new ReencryptionOptions { Location = DiskLocation.Parse("disk.img"), Format = named, Encryption = Sample.Luks2Options };
        var device = new MemoryDevice([.. disk]);
        await using ReencryptedImage image = await ReencryptedImage.OpenAsync(options, device, new MemoryShelf(), detached: null, Sample.Token);
        using SecretBuffer secret = Sample.Secret(Sample.Passphrase);

        var error = await Assert.ThrowsAsync<UnsupportedFeatureException>(() => convert(image, secret));

        Assert.Equal(ErrorIds.InPlaceUnsupported, error.ErrorId);
        Assert.Contains($" {name},", error.Message, StringComparison.Ordinal);
        Assert.Equal(disk, device.ToArray());
    }
}
