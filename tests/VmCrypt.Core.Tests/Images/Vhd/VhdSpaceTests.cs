using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhd;

namespace VmCrypt.Core.Tests.Images.Vhd;

/// <summary>The places of a VHD file: each belongs to one block.</summary>
public sealed class VhdSpaceTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_place_of_a_block_that_was_emptied_is_not_given_out_twice(bool flushes)
    {
        var file = new MemoryDevice(await VhdSample.CreateAsync(VhdSample.Dynamic(3 * VhdSample.Block)));
        byte[] second = Block(2), third = Block(3);
        await using (IVirtualDisk first = await VhdSample.OpenAsync(file, VhdSample.Writable))
        {
            await first.WriteAsync(0, Block(1), VhdSample.Token);
        }

        await using IVirtualDisk disk = await VhdSample.OpenAsync(file, VhdSample.Writable);
        await disk.ZeroAsync(0, VhdSample.Block, ZeroFlags.None, VhdSample.Token);
        if (flushes)
        {
            await disk.FlushAsync(VhdSample.Token);
        }

        await disk.WriteAsync(VhdSample.Block, second, VhdSample.Token);
        await disk.FlushAsync(VhdSample.Token);
        await disk.WriteAsync(2 * VhdSample.Block, third, VhdSample.Token);
        await disk.FlushAsync(VhdSample.Token);
        await disk.FlushAsync(VhdSample.Token);

        byte[] expected = [.. new byte[VhdSample.Block], .. second, .. third];
        Assert.Equal(expected, await VhdSample.ReadAllAsync(disk));
    }

    [Fact]
    public async Task Shrinking_and_growing_again_gives_each_block_a_place_of_its_own()
    {
        byte[] parent = [.. Block(7), .. Block(8), .. Block(9)];
        var file = new MemoryDevice(await VhdSample.WithContentAsync(VhdSample.Differencing(0), [.. Block(1), .. Block(2), .. Block(3)], parent));
        await using IVirtualDisk disk = await VhdSample.OpenAsync(file, VhdSample.Writable, parent);

        await disk.SetLengthAsync(VhdSample.Block, VhdSample.Token);
        await disk.SetLengthAsync(5 * VhdSample.Block, VhdSample.Token);
        await disk.WriteAsync(2 * VhdSample.Block, Block(4), VhdSample.Token);
        await disk.WriteAsync(4 * VhdSample.Block, Block(5), VhdSample.Token);

        byte[] expected = [.. Block(1), .. new byte[VhdSample.Block], .. Block(4), .. new byte[VhdSample.Block], .. Block(5)];
        Assert.Equal(expected, await VhdSample.ReadAllAsync(disk));
    }

    [Fact]
    public async Task A_file_that_ends_with_its_parents_name_is_cut_at_a_sector()
    {
        byte[] made = await VhdSample.CreateAsync(VhdSample.Differencing(3 * VhdSample.Block));
        VhdHeader header = VhdHeader.TryParse(made.AsSpan(VhdFooter.Size, VhdHeader.Size))!;
        VhdLocator name = header.ParentLocators.First(locator => locator.Code == VhdHeader.RelativePath);
        int end = made.Length - VhdFooter.Size;
        byte[] moved = (header with { ParentLocators = [name with { Offset = (ulong)end }] }).Encode();
        moved.CopyTo(made, VhdFooter.Size);
        var file = new MemoryDevice([.. made[..end], .. made.AsSpan((int)name.Offset, VhdLimits.Sector), .. new byte[8 * VhdLimits.Sector], .. made[end..]]);
        await using (IVirtualDisk disk = await VhdSample.OpenAsync(file, VhdSample.Writable, Block(7)))
        {
            await disk.CompactAsync(new Progress<JobProgress>(), VhdSample.Token);
        }

        Assert.Equal(end + (2 * VhdLimits.Sector), file.Length);
        await using IVirtualDisk reopened = await VhdSample.OpenAsync(file, null, Block(7));
        Assert.Equal(@".\parent.vhd", reopened.Parent!.RelativePath);
    }

    private static byte[] Block(byte value) => [.. Enumerable.Repeat(value, VhdSample.Block)];
}
