namespace VmCrypt.Core.Errors;

/// <summary>Ids that all image formats share.</summary>
public static partial class ErrorIds
{
    /// <summary>The image is encrypted and was not unlocked.</summary>
    public const string ImageLocked = nameof(ImageLocked);

    /// <summary>The image has a backing file that was not attached.</summary>
    public const string ImageBackingNotAttached = nameof(ImageBackingNotAttached);

    /// <summary>A layer was attached that the header does not name.</summary>
    public const string ImageLayerUnexpected = nameof(ImageLayerUnexpected);

    /// <summary>The parent is not the one from which the differencing disk was made, or was changed since.</summary>
    public const string ParentMismatch = nameof(ParentMismatch);

    /// <summary>The storage below cannot grow, so that no block can be added.</summary>
    public const string BlockStorageFixed = nameof(BlockStorageFixed);

    /// <summary>The image has no format, or no kind of disk, whose file could be made shorter in place.</summary>
    public const string CompactUnsupported = nameof(CompactUnsupported);

    /// <summary>Tables of the VHDX or VHD disk are damaged, so its blocks are neither moved nor converted.</summary>
    public const string BlockTablesDamaged = nameof(BlockTablesDamaged);
}
