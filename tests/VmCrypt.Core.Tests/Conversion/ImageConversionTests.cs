using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Conversion;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Conversion;

public sealed class ImageConversionTests : IDisposable
{
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData(1000, 1000)]
    [InlineData(1000, 70_000)]
    [InlineData(512, 512)]
    public async Task What_the_source_does_not_reach_reads_as_zeros(int sourceLength, int size)
    {
        byte[] content = new byte[sourceLength];
        Array.Fill(content, (byte)0x41);
        using SecretBuffer passphrase = SecretBuffer.CopyOf("secret"u8);
        var target = new DiskTarget { Location = DiskLocation.Parse(Path.Combine(_scratch.Folder, "disk.img")) };
        var plan = new NewDisk
        {
            Size = size,
            Format = ImageFormat.Raw,
            Encryption = LuksFormatOptions.Default with { Cost = KdfCost.OfIterations(KdfCost.MinIterations) },
        };

        await ImageConversion.ConvertAsync(new MemoryDevice(content, writable: false), target, plan, passphrase, new CopyOptions(), progress: null, default);

        using var keys = new DiskKeys(passphrase.Copy());
        await using DiskStack stack = await DiskStack.OpenAsync(target.Location, DiskOpenOptions.Default, default);
        IBlockDevice disk = await stack.UnlockAsync(keys, default);
        byte[] found = new byte[disk.Length];
        await disk.ReadAsync(0, found, default);
        Assert.Equal(plan.RoundedSize, disk.Length);
        Assert.Equal([.. content, .. new byte[disk.Length - sourceLength]], found);
    }
}
