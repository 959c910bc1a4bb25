using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhdx;

namespace VmCrypt.Core.Tests.Images.Vhdx;

/// <summary>Small VHDX files in memory, with the smallest blocks that there are.</summary>
internal static class VhdxSample
{
    public const int Block = 1024 * 1024;

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>A cache so small that it must evict and be relieved.</summary>
    public static VhdxOpenOptions Writable { get; } = new() { Writable = true, TableCacheBytes = 64 * 1024 };

    public static VhdxCreateOptions Dynamic(long size) => new() { Size = size, BlockSize = Block };

    public static VhdxCreateOptions Differencing(long size) =>
        Dynamic(size) with { Parent = new VirtualDiskParent(Guid.NewGuid(), @".\parent.vhdx", null) };

    public static async Task<byte[]> CreateAsync(VhdxCreateOptions options)
    {
        await using var file = new MemoryDevice(0);
        await VhdxBuilder.CreateAsync(file, options, Token);
        return file.ToArray();
    }

    /// <summary>Opens the file, over a parent of these bytes if it names one.</summary>
    public static async Task<VhdxImage> OpenAsync(IBlockDevice file, VhdxOpenOptions? options = null, byte[]? parent = null)
    {
        VhdxImage image = await VhdxImage.OpenAsync(file, options ?? new VhdxOpenOptions(), Token);
        if (image.Parent is not null)
        {
            image.AttachParent(new MemoryDevice(parent!, writable: false));
        }

        return image;
    }

    /// <summary>A file that shows <paramref name="content"/>.</summary>
    public static async Task<byte[]> WithContentAsync(VhdxCreateOptions options, byte[] content, byte[]? parent = null)
    {
        var file = new MemoryDevice(await CreateAsync(options with { Size = content.Length }));
        await using (VhdxImage image = await OpenAsync(file, Writable, parent))
        {
            await image.WriteAsync(0, content, Token);
        }

        return file.ToArray();
    }

    public static async Task<byte[]> ReadAllAsync(IBlockDevice device)
    {
        byte[] bytes = new byte[device.Length];
        await device.ReadAsync(0, bytes, Token);
        return bytes;
    }
}
