using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhd;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Luks.Luks2.Reencrypt;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Reencryption;

/// <summary>The disk in a VHDX or VHD file, which is converted as its guest sees it: LUKS lies in the guest's view as on a raw disk.</summary>
/// <remarks>
/// All that the conversion relies on is what the view promises. Flushed, data are on the medium before the tables that name their places,
/// and those too. A block whose place did not get that far reads as it did before: as zeros, which are its old bytes.
/// </remarks>
internal sealed class ContainedDisk
{
    private static readonly LuksOpenOptions s_outside = LuksOpenOptions.Default with { Placement = LuksPlacement.Detached };

    private readonly IBlockDevice _file;
    private readonly IVirtualDisk _disk;
    private readonly IHostReleased _host;

    private ContainedDisk(ImageFormat format, IBlockDevice file, IVirtualDisk disk)
    {
        _file = file;
        _disk = disk;
        Format = format;
        _host = (IHostReleased)disk;
        Flags = ConvertedContainer.FlagsOf(format);
        View = AlignedDevice.Over(disk);
    }

    public ImageFormat Format { get; }

    /// <summary>What the guest sees; owns the disk and its file.</summary>
    public IBlockDevice View { get; }

    /// <summary>Of the conversion's header, so that whoever goes on opens the same.</summary>
    public string[] Flags { get; }

    public bool CanHave(long length) => View.Traits.CanResize && length <= _disk.MaxLength;

    /// <summary>Opens the disk in <paramref name="file"/>, which it takes (not if this throws); null where the file is the disk.</summary>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.InPlaceUnsupported"/>.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.FormatMismatch"/>.</exception>
    public static async ValueTask<ContainedDisk?> OpenAsync(
        ReencryptionOptions options, IBlockDevice file, IHeaderShelf shelf, IBlockDevice? detached, CancellationToken cancellationToken)
    {
        HeaderStage? beside = shelf.Has(HeaderStage.Active) ? HeaderStage.Active : shelf.Has(HeaderStage.Prepared) ? HeaderStage.Prepared : null;
        LuksFacts? outside = beside is { } stage ? await DescribeAsync(shelf, stage, cancellationToken)
            : detached is not null && await FormatProbe.RecogniseAsync(detached, cancellationToken) == ImageFormat.Luks
                ? await LuksHeader.DescribeAsync(detached, s_outside, cancellationToken)
            : null;
        if (await ConvertedContainer.RecogniseAsync(file, options.Format, outside, beside is not null, cancellationToken) is not { } format)
        {
            return null;
        }

        if (format == ImageFormat.Vhd && beside == HeaderStage.Prepared)
        {
            await UndoGrowthAsync(file, shelf, cancellationToken);
        }

        IVirtualDisk disk = await VirtualDiskOpener.OpenAsync(file, format, cancellationToken);
        return disk.Parent is null && file.Traits.CanResize
            ? new ContainedDisk(format, file, disk)
            : throw new UnsupportedFeatureException(ErrorIds.InPlaceUnsupported, disk.Parent is null
                ? $"The {format} disk {options.Location} lies on a device that cannot grow, and is not converted in its place; Convert-Image makes a copy."
                : $"The {format} disk {options.Location} is a differencing disk, which shares its content with a parent, and is not converted in its place; Convert-Image makes a copy of the whole disk.");
    }

    /// <summary>Refuses tables of which a conversion would find half way that they are damaged, or that two blocks are one.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.BlockTablesDamaged"/>.</exception>
    public async ValueTask RequireSoundAsync(CancellationToken cancellationToken)
    {
        if (await _host.FindDefectsAsync(cancellationToken) is [var first, ..])
        {
            throw new InvalidImageException(ErrorIds.BlockTablesDamaged, $"The disk's tables are damaged, so it is not converted in its place. {first}");
        }
    }

    /// <summary>Makes the file as short as its last block allows and, where asked for, overwrites what nothing in it refers to.</summary>
    /// <param name="wipeFreed">Overwrite it.</param>
    /// <param name="alone">Runs what wants to be alone with the disk. Overwriting, which takes its time, does not: nobody is given that room.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public async ValueTask FinishAsync(
        bool wipeFreed, Func<Func<ValueTask>, CancellationToken, ValueTask> alone, CancellationToken cancellationToken)
    {
        if (wipeFreed)
        {
            List<HostArea> unused = [];
            await alone(async () => unused = await ReleaseAsync(cancellationToken), cancellationToken);
            foreach (HostArea area in unused)
            {
                await FreedRoom.OverwriteAsync(_file, area.Offset, area.Length, cancellationToken);
                // Who grows a last block that is not whole expects zeros there.
                await _file.ZeroAsync(area.Offset, area.Length, ZeroFlags.None, cancellationToken);
            }
        }

        await alone(() => _host.CutAsync(cancellationToken), cancellationToken);
    }

    private async ValueTask<List<HostArea>> ReleaseAsync(CancellationToken cancellationToken)
    {
        await _host.ReleaseAsync(cancellationToken);
        // Nothing is taken for unused by tables that do not say all.
        await RequireSoundAsync(cancellationToken);
        HostMap map = await _host.MapHostAsync(cancellationToken);
        return [.. map.Areas.Where(area => area.Use is HostUse.Unused or HostUse.Tail)];
    }

    // Only of a fixed VHD is there nothing else that tells what it is.
    private static async ValueTask UndoGrowthAsync(IBlockDevice file, IHeaderShelf shelf, CancellationToken cancellationToken)
    {
        await using IBlockDevice prepared = await shelf.OpenAsync(HeaderStage.Prepared, cancellationToken);
        Luks2ReencryptHeader header = await Luks2ReencryptHeader.OpenAsync(prepared, cancellationToken);
        if (header.HasGrown)
        {
            await VhdFixedImage.UndoGrowthAsync(file, (long)header.Plan.Before.Size!.Value, cancellationToken);
        }
    }

    private static async ValueTask<LuksFacts> DescribeAsync(IHeaderShelf shelf, HeaderStage stage, CancellationToken cancellationToken)
    {
        await using IBlockDevice header = await shelf.OpenAsync(stage, cancellationToken);
        return await LuksHeader.DescribeAsync(header, s_outside, cancellationToken);
    }
}
