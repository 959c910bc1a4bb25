using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Stack;

/// <summary>Opens the images of one disk, from the active one down its backing chain, without any key.</summary>
internal sealed partial class StackOpener(DiskOpenOptions options)
{
    // Far beyond any chain that a person can handle, and short enough that a hostile one ends soon.
    public const int MaxImages = 200;

    private readonly HashSet<string> _opened = new(StringComparer.Ordinal);

    public async ValueTask<StackImage> OpenAsync(DiskLocation location, CancellationToken cancellationToken)
    {
        IBlockDevice storage = await OpenStorageAsync(location, options.Writable, cancellationToken);
        IBlockDevice? header = null;
        try
        {
            header = options.HeaderPath is { } path
                ? await OpenStorageAsync(DiskLocation.Parse(path), options.Writable, cancellationToken)
                : null;
            StackImage image = await OpenImageAsync(storage, location, options.Format, header, cancellationToken);
            CheckSnapshot(image);
            return image;
        }
        catch
        {
            await storage.DisposeAsync();
            await (header?.DisposeAsync() ?? ValueTask.CompletedTask);
            throw;
        }
    }

    /// <summary>Opens an image that is open already once more, for reading, from its own storage, which it keeps.</summary>
    public ValueTask<StackImage> ReopenAsync(StackImage image, CancellationToken cancellationToken) => OpenImageAsync(
        new BorrowedDevice(image.Storage),
        image.Location,
        options.Format,
        image.Placement == EncryptionPlacement.Detached ? new BorrowedDevice(image.LuksArea!) : null,
        cancellationToken);

    // What the caller named must be of use: a snapshot that is passed over would mean another disk than the one meant.
    private void CheckSnapshot(StackImage image)
    {
        if (options.Snapshot is not null && image is { Qcow2: null, OpenPayload: null })
        {
            throw new InvalidInputException(ErrorIds.SnapshotUnsupported,
                $"The image {image.Location} is {image.Format} and has no internal snapshots; only qcow2 images have them.");
        }
    }

    /// <summary>Opens the image in <paramref name="storage"/>, which stays the caller's if this throws.</summary>
    private async ValueTask<StackImage> OpenImageAsync(
        IBlockDevice storage, DiskLocation location, ImageFormat? named, IBlockDevice? detachedHeader, CancellationToken cancellationToken)
    {
        Enter(location);
        RequireNoHeaderBeside(location);
        ImageFormat format = named ?? await FormatProbe.RecogniseAsync(storage, cancellationToken);
        return format switch
        {
            // Whoever names another header does not mean the one that stands there, which is payload like all the rest.
            ImageFormat.Luks when detachedHeader is not null => await OpenRawAsync(storage, location, probed: false, detachedHeader, cancellationToken),
            ImageFormat.Qcow when detachedHeader is not null => throw TakesNoHeader(location),
            ImageFormat.Qcow2 => await OpenQcow2Async(storage, location, named is null, detachedHeader, cancellationToken),
            ImageFormat.Qcow => await OpenQcowAsync(storage, location, cancellationToken),
            ImageFormat.Raw => await OpenRawAsync(storage, location, named is null, detachedHeader, cancellationToken),
            ImageFormat.Luks => await OpenLuksAsync(storage, location, cancellationToken),
            ImageFormat.Vhdx or ImageFormat.Vhd => await OpenVirtualDiskAsync(storage, location, format, detachedHeader, isParent: false, cancellationToken),
            _ => throw new UnsupportedFeatureException(ErrorIds.FormatUnsupported, $"The image {location} is {format}, which is not supported."),
        };
    }

    private void Enter(DiskLocation location)
    {
        if (!_opened.Add(location.Text) || _opened.Count > MaxImages)
        {
            throw EndlessChain(location);
        }
    }

    public static InvalidImageException EndlessChain(DiskLocation location) => new(ErrorIds.BackingChainInvalid,
        $"The backing chain leads back to {location}, or has more than {MaxImages} images.");

    // Such an image is neither what it was nor what it will be, whatever its first bytes say.
    private static void RequireNoHeaderBeside(DiskLocation location)
    {
        if (location.HeaderBeside is { } path && File.Exists(path))
        {
            throw new UnsupportedFeatureException(ErrorIds.Luks2ReencryptionUnfinished,
                $"A conversion of the image {location} in its place is not finished, as the header '{path}' beside it tells; finish it with Resume-ImageUpdate.");
        }
    }

    private ValueTask<IBlockDevice> OpenStorageAsync(DiskLocation location, bool writable, CancellationToken cancellationToken) =>
        StorageOpener.OpenAsync(location, writable, options.ForceShare, cancellationToken);

    private async ValueTask<StackImage> OpenRawAsync(
        IBlockDevice storage, DiskLocation location, bool probed, IBlockDevice? detachedHeader, CancellationToken cancellationToken)
    {
        var image = new StackImage
        {
            Location = location,
            Storage = storage,
            Format = ImageFormat.Raw,
            IsProbed = probed,
            OpenPayload = PayloadOpener(location),
        };
        await DetachAsync(image, detachedHeader, cancellationToken);
        return image;
    }

    private async ValueTask<StackImage> OpenLuksAsync(IBlockDevice storage, DiskLocation location, CancellationToken cancellationToken)
    {
        LuksHeader header = await LuksHeader.OpenAsync(storage, LuksOpenOptions.Default, cancellationToken);
        var image = new StackImage
        {
            Location = location,
            Storage = storage,
            Format = ImageFormat.Luks,
            OpenPayload = PayloadOpener(location),
        };
        image.Encrypted(EncryptionPlacement.Attached, header, storage);
        return image;
    }

    private async ValueTask<StackImage> OpenQcowAsync(IBlockDevice storage, DiskLocation location, CancellationToken cancellationToken)
    {
        QcowImage qcow = await QcowImage.OpenAsync(storage, cancellationToken);
        var image = new StackImage
        {
            Location = location,
            Storage = storage,
            Format = ImageFormat.Qcow,
            Qcow = qcow,
            Backing = await OpenBackingAsync(qcow.Backing, location, cancellationToken),
        };
        image.Encrypted(qcow.IsEncrypted ? EncryptionPlacement.LegacyAes : EncryptionPlacement.None, null, null);
        return image;
    }

    private async ValueTask<StackImage> OpenQcow2Async(
        IBlockDevice storage, DiskLocation location, bool probed, IBlockDevice? detachedHeader, CancellationToken cancellationToken)
    {
        var image = new StackImage
        {
            Location = location,
            Storage = storage,
            Format = ImageFormat.Qcow2,
            IsProbed = probed,
            Qcow2 = await Qcow2Image.OpenAsync(storage, new Qcow2OpenOptions { Writable = storage.Traits.CanWrite }, cancellationToken),
            OpenPayload = PayloadOpener(location),
            Snapshot = _opened.Count == 1 ? options.Snapshot : null,
        };
        try
        {
            await AttachDataFileAsync(image.Qcow2, location, cancellationToken);
            image.Backing = await OpenBackingAsync(image.Qcow2.Backing, location, cancellationToken);
            await RecogniseEncryptionAsync(image, detachedHeader, cancellationToken);
            return image;
        }
        catch
        {
            await image.DisposeAsync();
            throw;
        }
    }

    private async ValueTask RecogniseEncryptionAsync(StackImage image, IBlockDevice? detachedHeader, CancellationToken cancellationToken)
    {
        switch (image.Qcow2!.Facts.CryptMethod)
        {
            case not Qcow2CryptMethod.None when detachedHeader is not null:
                throw TakesNoHeader(image.Location);
            case Qcow2CryptMethod.Aes:
                image.Encrypted(EncryptionPlacement.LegacyAes, null, null);
                break;
            case Qcow2CryptMethod.Luks:
                IBlockDevice area = image.Qcow2.OpenEncryptionHeader()!;
                var embedded = new LuksOpenOptions { Placement = LuksPlacement.Embedded };
                image.Encrypted(EncryptionPlacement.Inside, await LuksHeader.OpenAsync(area, embedded, cancellationToken), area);
                break;
            default:
                await DetachAsync(image, detachedHeader, cancellationToken);
                await RecogniseOverAsync(image, cancellationToken);
                break;
        }
    }

    private async ValueTask AttachDataFileAsync(Qcow2Image qcow2, DiskLocation location, CancellationToken cancellationToken)
    {
        if (!qcow2.Facts.HasDataFile || options.HeadersOnly)
        {
            return;
        }

        string name = qcow2.Facts.DataFile ?? throw new InvalidImageException(ErrorIds.DataFileUnnamed,
            $"The image {location} keeps its data in another file, but does not say in which.");
        DiskLocation data = DiskLocation.Parse(options.References.Resolve(name, location));
        qcow2.AttachDataFile(await OpenStorageAsync(data, qcow2.Traits.CanWrite, cancellationToken));
    }

    private static InvalidInputException TakesNoHeader(DiskLocation location) => new(ErrorIds.FormatMismatch,
        $"A detached header was named, but the image {location} takes none: it is qcow, or qcow2 with an encryption of its own.");

    // A detached header stands for the whole image: whatever the image holds is its payload.
    private static async ValueTask DetachAsync(StackImage image, IBlockDevice? header, CancellationToken cancellationToken)
    {
        if (header is not null)
        {
            var detached = new LuksOpenOptions { Placement = LuksPlacement.Detached };
            image.Encrypted(EncryptionPlacement.Detached, await LuksHeader.OpenAsync(header, detached, cancellationToken), header);
        }
    }

    // LUKS over a container: the header is guest data, so the image must be readable, which an encrypted backing image prevents.
    private async ValueTask RecogniseOverAsync(StackImage image, CancellationToken cancellationToken)
    {
        bool complete = !options.HeadersOnly || image.Qcow2?.Facts is { Backing: null, HasDataFile: false } || image.VirtualDisk is { Parent: null };
        bool readable = complete && image.Backing?.Chain().All(link => link.Placement == EncryptionPlacement.None) != false;
        if (image.Placement != EncryptionPlacement.None || options.PayloadFormat == ImageFormat.Raw || !readable)
        {
            return;
        }

        using var none = new DiskKeys();
        IBlockDevice contents = AlignedDevice.Over(await image.ContentsAsync(none, cancellationToken));
        if (await FormatProbe.RecogniseAsync(contents, cancellationToken) == ImageFormat.Luks)
        {
            LuksHeader header = await LuksHeader.OpenAsync(contents, LuksOpenOptions.Default, cancellationToken);
            image.Encrypted(EncryptionPlacement.Over, header, contents);
        }
        else if (options.PayloadFormat == ImageFormat.Luks)
        {
            throw new InvalidImageException(ErrorIds.FormatMismatch, $"The disk in {image.Location} does not start with a LUKS header.");
        }
    }

    private async ValueTask<StackImage?> OpenBackingAsync(Qcow2Backing? backing, DiskLocation owner, CancellationToken cancellationToken)
    {
        if (backing is null || options.HeadersOnly)
        {
            return null;
        }

        DiskLocation location = DiskLocation.Parse(options.References.Resolve(backing.Path, owner));
        IBlockDevice storage = await OpenStorageAsync(location, writable: false, cancellationToken);
        try
        {
            return await OpenImageAsync(storage, location, FormatOf(backing, owner), null, cancellationToken);
        }
        catch
        {
            await storage.DisposeAsync();
            throw;
        }
    }

    /// <summary>The format that an image names for the one behind it; null where it names none.</summary>
    public static ImageFormat? FormatOf(Qcow2Backing backing, DiskLocation owner) => backing.Format switch
    {
        null => null,
        "raw" or "file" or "host_device" => ImageFormat.Raw,
        "qcow2" => ImageFormat.Qcow2,
        "qcow" => ImageFormat.Qcow,
        "luks" => ImageFormat.Luks,
        "vhdx" => ImageFormat.Vhdx,
        "vpc" => ImageFormat.Vhd,
        _ => throw new UnsupportedFeatureException(ErrorIds.FormatUnsupported,
            $"The image {owner} says that its backing file has the format '{backing.Format}', which is not supported."),
    };

    private Func<IBlockDevice, CancellationToken, ValueTask<StackImage>>? PayloadOpener(DiskLocation location) =>
        options.PayloadFormat == ImageFormat.Qcow2
            ? (payload, token) => new StackOpener(options with { Format = ImageFormat.Qcow2, PayloadFormat = null, HeaderPath = null })
                .OpenImageAsync(payload, location, ImageFormat.Qcow2, null, token)
            : null;
}
