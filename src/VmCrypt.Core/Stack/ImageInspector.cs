using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Vhd;
using VmCrypt.Core.Images.Vhdx;

namespace VmCrypt.Core.Stack;

/// <summary>Describes images without a key, those in use and those that cannot be opened included.</summary>
public static class ImageInspector
{
    private const int MaxAttempts = 20;

    private static readonly TimeSpan s_headerWrite = TimeSpan.FromMilliseconds(10);

    /// <summary>Describes the image and those behind it.</summary>
    /// <remarks>
    /// An image that a VM is writing is read in spite of its locks and marked <see cref="ImageDescription.InUse"/>; one that is
    /// recognised but cannot be opened says why in <see cref="ImageDescription.Unusable"/>. Damaged headers and missing files throw.
    /// </remarks>
    public static async ValueTask<ImageDescription> DescribeAsync(
        DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        options = options with { Writable = false };
        if (!options.HeadersOnly && await ChainRecord.ReadAsync(location, cancellationToken) is { } record)
        {
            try
            {
                return await DescribeChainAsync(location, options, record, cancellationToken);
            }
            catch (VmCryptException reason) when (IsAboutOtherFiles(reason))
            {
                ImageDescription alone = await DescribeAsync(location, options with { HeadersOnly = true }, cancellationToken);
                return alone with { Unusable = alone.Unusable ?? reason, Chain = record.Describe([]) };
            }
        }

        try
        {
            return await OpenAndDescribeAsync(location, options, cancellationToken);
        }
        catch (DeviceBusyException busy) when (busy.ErrorId == ErrorIds.ImageInUse && !options.ForceShare)
        {
            return await DescribeInUseAsync(location, options with { ForceShare = true }, cancellationToken) with { InUse = true };
        }
    }

    // Who uses it may be writing its header at this very moment, as a conversion does for every zone.
    private static async ValueTask<ImageDescription> DescribeInUseAsync(DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await OpenAndDescribeAsync(location, options, cancellationToken);
            }
            catch (InvalidImageException) when (attempt < MaxAttempts)
            {
                await Task.Delay(s_headerWrite, cancellationToken);
            }
        }
    }

    /// <summary>Describes an image whose format somebody else has declared: a VM's definition, a storage domain.</summary>
    /// <param name="format">Null where nobody has. Of a raw disk its guest owns the first bytes: LUKS there is shown, since a declaration has
    /// no word for it, and no other header means anything.</param>
    public static async ValueTask<ImageDescription> DescribeAsync(
        DiskLocation location, ImageFormat? format, ReferencePolicy references, CancellationToken cancellationToken)
    {
        if (format != ImageFormat.Raw)
        {
            return await DescribeAsync(location, new DiskOpenOptions { Format = format, References = references }, cancellationToken);
        }

        var probe = new DiskOpenOptions { References = new ReferencePolicy(ReferenceMode.Never) };
        ImageDescription image = await DescribeAsync(location, probe, cancellationToken);
        return image.Format is ImageFormat.Raw or ImageFormat.Luks
            ? image
            : await DescribeAsync(location, probe with { Format = ImageFormat.Raw }, cancellationToken);
    }

    /// <summary>The record of a file that could not even be recognised, for an inventory that goes on.</summary>
    public static ImageDescription Unreadable(string path, VmCryptException reason) => new()
    {
        Path = path,
        Format = ImageFormat.Raw,
        VirtualSize = 0,
        AllocatedSize = 0,
        Encryption = EncryptionPlacement.None,
        Unusable = reason,
    };

    private static async ValueTask<ImageDescription> OpenAndDescribeAsync(
        DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        try
        {
            await using DiskStack disk = await DiskStack.OpenAsync(location, options, cancellationToken);
            return await DescribeAsync(disk.Active, cancellationToken);
        }
        catch (VmCryptException reason) when (!options.HeadersOnly && (IsAboutOtherFiles(reason) || IsAboutConversion(reason)))
        {
            ImageDescription alone = await OpenAndDescribeAsync(location, options with { HeadersOnly = true }, cancellationToken);
            return alone with { Unusable = alone.Unusable ?? reason };
        }
        catch (UnsupportedFeatureException reason)
        {
            return await UnusableImage.DescribeAsync(location, options, reason, cancellationToken);
        }
    }

    /// <summary>The image itself is sound, but what it refers to is not to be had.</summary>
    internal static bool IsAboutOtherFiles(VmCryptException reason) => reason.ErrorId is ErrorIds.ReferencedFileMissing or ErrorIds.PathFenced
        or ErrorIds.ReferenceNotFollowed or ErrorIds.ReferenceUnsupported or ErrorIds.DataFileUnnamed or ErrorIds.ParentMismatch;

    // Of the image itself, or of one behind it.
    private static bool IsAboutConversion(VmCryptException reason) =>
        reason.ErrorId is ErrorIds.Qcow2ConversionUnfinished or ErrorIds.Luks2ReencryptionUnfinished;

    private static async ValueTask<ImageDescription> DescribeChainAsync(
        DiskLocation location, DiskOpenOptions options, ChainRecord record, CancellationToken cancellationToken)
    {
        List<ChainImage> chain = await BackingChain.DescribeAsync(location, options, converting: true, cancellationToken);
        ImageDescription? whole = null;
        foreach (ChainImage layer in Enumerable.Reverse(chain))
        {
            whole = layer.Image with { Backing = whole, Unusable = layer.Image.Unusable ?? whole?.Unusable };
        }

        return whole! with { Chain = record.Describe(chain) };
    }

    private static async ValueTask<ImageDescription> DescribeAsync(StackImage image, CancellationToken cancellationToken)
    {
        long size = image.DiskSize;
        return new ImageDescription
        {
            Path = image.Location.Text,
            Format = image.Format,
            VirtualSize = size,
            AllocatedSize = await AllocatedAsync(image, cancellationToken),
            Encryption = image.Placement,
            Luks = image.Luks?.Facts,
            Qcow2 = image.Qcow2?.Facts,
            Vhdx = (image.VirtualDisk as VhdxImage)?.Facts,
            Vhd = VhdImage.FactsOf(image.VirtualDisk),
            Snapshots = [.. image.Qcow2?.Snapshots ?? []],
            Backing = image.Backing is null ? null : await DescribeAsync(image.Backing, cancellationToken),
            Weaknesses = Weaknesses.Of(image, size),
        };
    }

    private static async ValueTask<long> AllocatedAsync(StackImage image, CancellationToken cancellationToken)
    {
        if (!image.Location.IsNbd)
        {
            return LocalDisk.AllocatedSize(image.Storage, image.Location.Text);
        }

        long allocated = 0;
        await foreach (Extent extent in image.Storage.ExtentsAsync(0, image.Storage.Length, cancellationToken))
        {
            allocated += extent.Kind == ExtentKind.Hole ? 0 : extent.Length;
        }

        return allocated;
    }
}
