using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Stack;

/// <summary>A disk: its images, its encryption and, once unlocked, its plain bytes as one device.</summary>
/// <remarks>
/// Opening reads headers only, needs no key and never writes. <see cref="UnlockAsync"/> joins the layers.
/// Disposing flushes and closes all of them.
/// </remarks>
public sealed class DiskStack : IAsyncDisposable
{
    private readonly StackImage _active;
    private readonly DiskOpenOptions _options;
    private readonly HeaderLock? _lock;

    private DiskStack(StackImage active, DiskOpenOptions options, HeaderLock? headerLock)
    {
        _active = active;
        _options = options;
        _lock = headerLock;
    }

    public DiskLocation Location => _active.Location;

    /// <summary>The format of the outermost layer.</summary>
    public ImageFormat Format => _active.Format;

    public EncryptionPlacement Placement => _active.Placement;

    public bool IsEncrypted => Placement != EncryptionPlacement.None;

    /// <summary>Some layer, active or backing, needs a key.</summary>
    public bool NeedsKey => _active.Chain().Any(image => image.IsLocked);

    /// <summary>The LUKS header of the active image, for its key slots; null for plain and legacy images.</summary>
    public LuksHeader? Luks => _active.Luks;

    /// <summary>The container of the active image; null where it has none or another.</summary>
    public Qcow2Image? Qcow2 => _active.Qcow2;

    internal StackImage Active => _active;

    /// <summary>Where <see cref="Luks"/> stands in relation to its payload.</summary>
    internal LuksPlacement LuksPlacement => Placement switch
    {
        EncryptionPlacement.Inside => LuksPlacement.Embedded,
        EncryptionPlacement.Detached => LuksPlacement.Detached,
        _ => LuksPlacement.Attached,
    };

    /// <summary>Opens the headers of every image of the disk.</summary>
    /// <exception cref="MissingException">A file does not exist.</exception>
    /// <exception cref="InvalidImageException">A header is damaged.</exception>
    /// <exception cref="UnsupportedFeatureException">A header asks for what is not supported.</exception>
    /// <exception cref="DeviceBusyException">Somebody else has a file open in a way that excludes us.</exception>
    public static async ValueTask<DiskStack> OpenAsync(DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        if (options.ForceShare && options.Writable)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "An image that others are writing can be shared for reading only.");
        }

        if (options.Snapshot is not null && options.Writable)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "An internal snapshot is what the disk was; it can be read, not written.");
        }

        HeaderLock? headerLock = await LockHeaderAsync(location, options, cancellationToken);
        try
        {
            return new DiskStack(await new StackOpener(options).OpenAsync(location, cancellationToken), options, headerLock);
        }
        catch
        {
            headerLock?.Dispose();
            throw;
        }
    }

    /// <summary>Joins the layers and returns the plain disk, which the stack owns. A failed try changes nothing and may be repeated.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeyRequired"/>.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>, <see cref="ErrorIds.WrongVolumeKey"/>.</exception>
    public ValueTask<IBlockDevice> UnlockAsync(DiskKeys keys, CancellationToken cancellationToken) => _active.ComposeAsync(keys, cancellationToken);

    /// <summary>Opens the active image once more from what its storage holds now, as somebody does who comes later, and joins its layers.</summary>
    /// <remarks>The file stays open and locked meanwhile, and is read through the handle that is there: a server may allow no second one.</remarks>
    /// <exception cref="WrongKeyException">The keys do not open it.</exception>
    internal async ValueTask ProveAsync(DiskKeys keys, CancellationToken cancellationToken)
    {
        await using StackImage again = await new StackOpener(_options with { HeadersOnly = true }).ReopenAsync(_active, cancellationToken);
        _ = await again.ComposeAsync(keys, cancellationToken);
    }

    /// <summary>The LUKS header, for commands that work on its slots.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.NotEncrypted"/>.</exception>
    public LuksHeader RequireLuks() => Luks ?? throw NoKeySlots(Location, Placement);

    internal static InvalidInputException NoKeySlots(DiskLocation location, EncryptionPlacement placement) => new(ErrorIds.NotEncrypted,
        placement == EncryptionPlacement.LegacyAes
            ? $"The image {location} has the legacy AES encryption, which has no key slots; convert it to LUKS."
            : $"The image {location} is not encrypted, so it has no key slots.");

    /// <summary>Changes the size of the disk, most often without a key. New bytes read as zeros where the format can say so, else as noise.</summary>
    /// <param name="size">Bytes, a multiple of 512 and of the sectors that LUKS2 encrypts.</param>
    /// <param name="allowShrink">The bytes beyond a smaller size are lost.</param>
    /// <remarks>
    /// One step for raw images (the file's length) and one ordered change of tables for qcow2: a crash leaves the old size or the new one.
    /// </remarks>
    /// <exception cref="RefusedException"><see cref="ErrorIds.ShrinkRefused"/>.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.ImageLocked"/>: this change needs <see cref="UnlockAsync"/> first.</exception>
    /// <exception cref="MissingException"><see cref="ErrorIds.ImageBackingNotAttached"/>: likewise.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.ResizeUnsupported"/>.</exception>
    public async ValueTask ResizeAsync(long size, bool allowShrink, CancellationToken cancellationToken)
    {
        IBlockDevice contents = _active.Contents;
        long header = _active.PayloadOffset;
        long old = contents.Length - header;
        int sector = Luks?.Payload.SectorSize ?? 512;
        if (size <= 0 || size % sector != 0)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, $"The size is {size} bytes, but must be a positive multiple of {sector}.");
        }

        if (size < old && !allowShrink)
        {
            throw new RefusedException(ErrorIds.ShrinkRefused,
                $"The disk has {old} bytes; to cut it to {size} destroys what lies beyond, and must be asked for.");
        }

        if (!contents.Traits.CanResize || Luks?.Payload.Length is not null || _active.OpenPayload is not null)
        {
            throw new UnsupportedFeatureException(ErrorIds.ResizeUnsupported, $"The disk {Location} has a fixed size.");
        }

        await contents.SetLengthAsync(checked(header + size), cancellationToken);
        await contents.FlushAsync(cancellationToken);
    }

    /// <summary>Makes the file of a dynamic or differencing VHDX or VHD disk as short as its content, without any key. Nobody else uses it meanwhile.</summary>
    /// <returns>By how many bytes the file has become shorter.</returns>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.CompactUnsupported"/>.</exception>
    public ValueTask<long> CompactAsync(IProgress<JobProgress> progress, CancellationToken cancellationToken) =>
        _active.VirtualDisk?.CompactAsync(progress, cancellationToken) ?? throw new UnsupportedFeatureException(ErrorIds.CompactUnsupported,
            $"The disk {Location} is {Format}, which cannot be made shorter in place; convert it into a new file.");

    /// <inheritdoc cref="StackImage.DiskSize"/>
    public long DiskSize => _active.DiskSize;

    public async ValueTask DisposeAsync()
    {
        await _active.DisposeAsync();
        _lock?.Dispose();
    }

    // Taken before the header is read, so that what is changed is what was read.
    private static ValueTask<HeaderLock?> LockHeaderAsync(DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        string holder = options.HeaderPath ?? location.Text;
        return options is { HeadersOnly: true, Writable: true } or { HoldHeader: true } && !DiskLocation.IsNbdUri(holder)
            ? HeaderLock.TakeAsync(holder, options.Writable, cancellationToken)
            : ValueTask.FromResult<HeaderLock?>(null);
    }
}
