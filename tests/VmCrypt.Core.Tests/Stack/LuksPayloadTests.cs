using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Stack;

public sealed class LuksPayloadTests : IDisposable
{
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Refuses_to_unlock_an_image_that_ends_where_its_payload_begins()
    {
        string path = Path.Combine(_scratch.Folder, "disk.img");
        using SecretBuffer passphrase = SecretBuffer.CopyOf("secret"u8);
        var plan = new NewDisk
        {
            Size = 1024 * 1024,
            Format = ImageFormat.Raw,
            Encryption = LuksFormatOptions.Default with { Cost = KdfCost.OfIterations(KdfCost.MinIterations) },
        };
        await DiskFile.CreateAsync(new DiskTarget { Location = DiskLocation.Parse(path) }, plan, passphrase, fill: null, default);
        using (FileStream file = File.OpenWrite(path))
        {
            file.SetLength(4096 * 512);
        }

        await using DiskStack disk = await DiskStack.OpenAsync(DiskLocation.Parse(path), new DiskOpenOptions(), default);
        using var keys = new DiskKeys(passphrase.Copy());
        var refusal = await Assert.ThrowsAsync<InvalidImageException>(async () => await disk.UnlockAsync(keys, default));

        Assert.Equal(ErrorIds.PayloadMissing, refusal.ErrorId);
    }
}
