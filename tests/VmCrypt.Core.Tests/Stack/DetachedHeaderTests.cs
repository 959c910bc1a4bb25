using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Stack;

public sealed class DetachedHeaderTests : IDisposable
{
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_named_header_is_meant_even_where_the_image_has_its_own()
    {
        string image = await MakeAsync("disk.img", ImageFormat.Raw, header: null);
        string header = Path.Combine(_scratch.Folder, "disk.header");
        await MakeAsync("payload.img", ImageFormat.Raw, header);

        await KeySlots.RemoveAsync(DiskLocation.Parse(image), new DiskOpenOptions { HeaderPath = header }, slot: 0, keys: null, force: true, default);

        Assert.DoesNotContain(await SlotsAsync(image, header), slot => slot.IsActive);
        Assert.Contains(await SlotsAsync(image, header: null), slot => slot.IsActive);
    }

    [Fact]
    public async Task An_image_with_its_encryption_inside_takes_no_other_header_and_is_closed_again()
    {
        string image = await MakeAsync("disk.qcow2", ImageFormat.Qcow2, header: null);
        string header = Path.Combine(_scratch.Folder, "disk.header");
        await MakeAsync("payload.img", ImageFormat.Raw, header);
        var options = new DiskOpenOptions { HeaderPath = header, Writable = true };

        InvalidInputException refusal = await Assert.ThrowsAsync<InvalidInputException>(
            async () => await DiskStack.OpenAsync(DiskLocation.Parse(image), options, default));

        Assert.Equal(ErrorIds.FormatMismatch, refusal.ErrorId);
        await (await DiskStack.OpenAsync(DiskLocation.Parse(image), new DiskOpenOptions { Writable = true }, default)).DisposeAsync();
    }

    [Fact]
    public async Task Image_and_header_cannot_be_one_new_file()
    {
        string both = Path.Combine(_scratch.Folder, "both.img");

        InvalidInputException refusal = await Assert.ThrowsAsync<InvalidInputException>(
            async () => await MakeAsync("both.img", ImageFormat.Raw, both));

        Assert.Equal(ErrorIds.InvalidParameter, refusal.ErrorId);
        Assert.Empty(Directory.GetFiles(_scratch.Folder));
    }

    private async Task<string> MakeAsync(string name, ImageFormat format, string? header)
    {
        string path = Path.Combine(_scratch.Folder, name);
        using SecretBuffer passphrase = SecretBuffer.CopyOf("secret"u8);
        var plan = new NewDisk
        {
            Size = 1 << 20,
            Format = format,
            Encryption = LuksFormatOptions.Default with { Cost = KdfCost.OfIterations(KdfCost.MinIterations) },
        };
        var target = new DiskTarget { Location = DiskLocation.Parse(path), HeaderPath = header };
        await DiskFile.CreateAsync(target, plan, passphrase, fill: null, default);
        return path;
    }

    private static ValueTask<IReadOnlyList<KeySlotFacts>> SlotsAsync(string image, string? header) =>
        KeySlots.ListAsync(DiskLocation.Parse(image), new DiskOpenOptions { HeaderPath = header }, default);
}
