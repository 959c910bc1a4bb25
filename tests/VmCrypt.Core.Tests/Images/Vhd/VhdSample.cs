using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhd;

namespace VmCrypt.Core.Tests.Images.Vhd;

/// <summary>Small VHD files in memory, with small blocks.</summary>
internal static class VhdSample
{
    public const int Block = 512 * 1024;

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>A cache so small that it must evict and be relieved.</summary>
    public static VhdOpenOptions Writable { get; } = new() { Writable = true, TableCacheBytes = 64 * 1024 };

    public static VhdCreateOptions Dynamic(long size) => new() { Size = size, BlockSize = Block };

    public static VhdCreateOptions Differencing(long size) =>
        Dynamic(size) with { Parent = new VirtualDiskParent(Guid.NewGuid(), @".\parent.vhd", null) };

    public static async Task<byte[]> CreateAsync(VhdCreateOptions options)
    {
        await using var file = new MemoryDevice(0);
        await VhdBuilder.CreateAsync(file, options, Token);
        return file.ToArray();
    }

    /// <summary>Opens the file, over a parent of these bytes if it names one.</summary>
    public static async Task<IVirtualDisk> OpenAsync(IBlockDevice file, VhdOpenOptions? options = null, byte[]? parent = null)
    {
        IVirtualDisk image = await VhdImage.OpenAsync(file, options ?? new VhdOpenOptions(), Token);
        if (image.Parent is not null)
        {
            image.AttachParent(new MemoryDevice(parent!, writable: false));
        }

        return image;
    }

    /// <summary>A file that shows <paramref name="content"/>.</summary>
    public static async Task<byte[]> WithContentAsync(VhdCreateOptions options, byte[] content, byte[]? parent = null)
    {
        var file = new MemoryDevice(await CreateAsync(options with { Size = content.Length }));
        await using (IVirtualDisk image = await OpenAsync(file, Writable, parent))
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
