using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Images.Qcow2.InPlace;
using VmCrypt.Core.Images.Vhd;
using VmCrypt.Core.Images.Vhdx;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Stack;

/// <summary>Describes images that are recognised but cannot be opened, above all those that are being converted in their place.</summary>
internal static class UnusableImage
{
    public static async ValueTask<ImageDescription> DescribeAsync(
        DiskLocation location, DiskOpenOptions options, UnsupportedFeatureException reason, CancellationToken cancellationToken)
    {
        await using IBlockDevice storage = await StorageOpener.OpenAsync(location, writable: false, options.ForceShare, cancellationToken);
        if (reason.ErrorId == ErrorIds.Qcow2ConversionUnfinished)
        {
            return await DescribeConversionAsync(location, storage, reason, cancellationToken);
        }

        LuksFacts? outside = await DescribeOutsideAsync(location, options, cancellationToken);
        bool isBeside = outside is not null && options.HeaderPath is null;
        ImageFormat? container = await ConvertedContainer.RecogniseAsync(storage, options.Format, outside, isBeside, cancellationToken);
        await using IVirtualDisk? disk = container is { } known ? await TryOpenAsync(storage, known, cancellationToken) : null;
        IBlockDevice contents = disk is null ? storage : AlignedDevice.Over(disk);
        // What the guest of a differencing disk sees begins in its parent, most often.
        bool isWhole = disk?.Parent is null;
        LuksFacts? luks = outside ?? (isWhole ? await DescribeFrontAsync(contents, disk is null ? options.Format : null, cancellationToken) : null);
        return new ImageDescription
        {
            Path = location.Text,
            Format = container ?? options.Format ?? (await FormatProbe.RecogniseAsync(storage, cancellationToken) is var found
                && found != ImageFormat.Luks && ConvertedContainer.IsToldBy(outside, isBeside) ? ImageFormat.Raw : found),
            VirtualSize = luks is null ? disk?.Length ?? 0 : contents.Length - luks.PayloadOffset,
            AllocatedSize = storage.Length,
            Encryption = luks is null ? EncryptionPlacement.None
                : outside is not null ? EncryptionPlacement.Detached
                : disk is not null ? EncryptionPlacement.Over
                : EncryptionPlacement.Attached,
            Luks = luks,
            Vhdx = (disk as VhdxImage)?.Facts,
            Vhd = VhdImage.FactsOf(disk),
            Conversion = luks?.Reencryption?.Invoke(contents.Length),
            Unusable = reason,
        };
    }

    private static async ValueTask<ImageDescription> DescribeConversionAsync(
        DiskLocation location, IBlockDevice storage, UnsupportedFeatureException reason, CancellationToken cancellationToken)
    {
        ConversionPointer place = await ConversionPointer.FindAsync(storage, cancellationToken) ?? throw reason;
        ConversionJournal journal = await ConversionJournal.OpenAsync(storage, place, cancellationToken);
        ConversionState state = journal.State;
        var view = new HeaderViewDevice(storage, (await journal.ReadHeadersAsync(cancellationToken)).Before);
        Qcow2Facts facts = (await Qcow2Metadata.ReadAsync(view, cancellationToken)).ToFacts();
        return new ImageDescription
        {
            Path = location.Text,
            Format = ImageFormat.Qcow2,
            VirtualSize = facts.VirtualSize,
            AllocatedSize = LocalDisk.AllocatedSize(storage, location.Text),
            Encryption = EncryptionPlacement.Inside,
            Qcow2 = facts,
            Conversion = new ReencryptionFacts(
                (ReencryptionMode)state.Mode, ((ReencryptionResilience)state.Resilience).ToString().ToLowerInvariant(), state.End, state.Done, state.HotLength > 0),
            Unusable = reason,
        };
    }

    // The header that was named, or the one that an unfinished conversion keeps beside the image.
    private static async ValueTask<LuksFacts?> DescribeOutsideAsync(DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        if ((options.HeaderPath ?? (File.Exists(location.HeaderBeside) ? location.HeaderBeside : null)) is not { } path)
        {
            return null;
        }

        await using IBlockDevice header = await StorageOpener.OpenAsync(DiskLocation.Parse(path), writable: false, options.ForceShare, cancellationToken);
        return await LuksHeader.DescribeAsync(header, new LuksOpenOptions { Placement = LuksPlacement.Detached }, cancellationToken);
    }

    private static async ValueTask<LuksFacts?> DescribeFrontAsync(IBlockDevice contents, ImageFormat? named, CancellationToken cancellationToken) =>
        (named ?? await FormatProbe.RecogniseAsync(contents, cancellationToken)) == ImageFormat.Luks
            ? await LuksHeader.DescribeAsync(contents, LuksOpenOptions.Default, cancellationToken)
            : null;

    // It may be the container itself that cannot be opened.
    private static async ValueTask<IVirtualDisk?> TryOpenAsync(IBlockDevice storage, ImageFormat format, CancellationToken cancellationToken)
    {
        try
        {
            return await VirtualDiskOpener.OpenAsync(new BorrowedDevice(storage), format, cancellationToken);
        }
        catch (VmCryptException damage) when (damage is UnsupportedFeatureException or InvalidImageException)
        {
            return null;
        }
    }
}
