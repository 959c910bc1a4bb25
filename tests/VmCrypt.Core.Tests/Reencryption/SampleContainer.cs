using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhd;
using VmCrypt.Core.Images.Vhdx;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Luks;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>A kind of file that holds the disk of a conversion.</summary>
/// <param name="Length">Bytes of the disk: a few blocks, the second of which is zero.</param>
/// <param name="ZoneLength">Bytes: less than a block, and no divisor of all blocks.</param>
internal sealed record SampleContainer(ImageFormat Format, int Block, int Length, int ZoneLength, bool IsFixed = false, int Sector = 512)
{
    private const int MiB = 1 << 20;

    private static readonly Dictionary<string, SampleContainer> s_kinds = new()
    {
        ["vhdx"] = new(ImageFormat.Vhdx, MiB, (2 * MiB) + (300 << 10), 384 << 10),
        ["vhdx4k"] = new(ImageFormat.Vhdx, MiB, (2 * MiB) + (300 << 10), 768 << 10, Sector: 4096),
        ["vhdxfixed"] = new(ImageFormat.Vhdx, MiB, (2 * MiB) + (300 << 10), 768 << 10, IsFixed: true),
        ["vhd"] = new(ImageFormat.Vhd, MiB / 2, MiB + (90 << 10), 384 << 10),
        ["vhdfixed"] = new(ImageFormat.Vhd, MiB / 8, 300 << 10, 96 << 10, IsFixed: true),
    };

    /// <summary>The kind that a word of the name tells; null for a raw disk.</summary>
    public static SampleContainer? Of(string name) => name.Split(' ').Select(word => s_kinds.GetValueOrDefault(word)).FirstOrDefault(kind => kind is not null);

    /// <summary>A file whose guest sees <paramref name="disk"/>; what is zero in it has no blocks where the kind allows that.</summary>
    public async Task<byte[]> WrapAsync(byte[] disk)
    {
        var file = new MemoryDevice(0);
        Preallocation preallocation = IsFixed ? Preallocation.Metadata : Preallocation.Off;
        await (Format == ImageFormat.Vhdx
            ? VhdxBuilder.CreateAsync(file, new VhdxCreateOptions { Size = disk.Length, BlockSize = Block, LogicalSectorSize = Sector, Preallocation = preallocation }, Sample.Token)
            : VhdBuilder.CreateAsync(file, new VhdCreateOptions { Size = disk.Length, BlockSize = Math.Max(Block, MiB / 2), Preallocation = preallocation }, Sample.Token));
        file = new MemoryDevice(file.ToArray());
        await using (IVirtualDisk image = await VirtualDiskOpener.OpenAsync(SubDevice.Tail(file, 0, ownsInner: false), Format, Sample.Token))
        {
            for (int at = 0; at < disk.Length; at += Block)
            {
                ReadOnlyMemory<byte> block = disk.AsMemory(at, Math.Min(Block, disk.Length - at));
                if (block.Span.ContainsAnyExcept((byte)0))
                {
                    await image.WriteAsync(at, block, Sample.Token);
                }
            }
        }

        return file.ToArray();
    }

    /// <summary>Its tables are all right.</summary>
    public async Task RequireSoundAsync(byte[] file)
    {
        await using IVirtualDisk image = await VirtualDiskOpener.OpenAsync(new MemoryDevice(file, writable: false), Format, Sample.Token);
        Assert.Empty(await ((IHostReleased)image).FindDefectsAsync(Sample.Token));
    }

    /// <summary>What its guest sees in a file, whose log is replayed as far as it got.</summary>
    public async Task<byte[]> ViewAsync(byte[] file)
    {
        await using IVirtualDisk image = await VirtualDiskOpener.OpenAsync(new MemoryDevice(file, writable: false), Format, Sample.Token);
        byte[] disk = new byte[image.Length];
        await image.ReadAsync(0, disk, Sample.Token);
        return disk;
    }
}
