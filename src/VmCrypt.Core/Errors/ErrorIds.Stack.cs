namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>The disk is encrypted and neither passphrase nor key was given.</summary>
    public const string KeyRequired = nameof(KeyRequired);

    /// <summary>The disk has no LUKS header, so it has no key slots.</summary>
    public const string NotEncrypted = nameof(NotEncrypted);

    /// <summary>The image is not of the format that the caller named.</summary>
    public const string FormatMismatch = nameof(FormatMismatch);

    /// <summary>The image's format is recognised, but this version cannot open it.</summary>
    public const string FormatUnsupported = nameof(FormatUnsupported);

    /// <summary>The image names a backing or data file outside of the folders that may be used.</summary>
    public const string PathFenced = nameof(PathFenced);

    /// <summary>The image names its backing or data file in a form that is never followed.</summary>
    public const string ReferenceUnsupported = nameof(ReferenceUnsupported);

    /// <summary>The image has a backing or data file, and the caller said that none is to be opened.</summary>
    public const string ReferenceNotFollowed = nameof(ReferenceNotFollowed);

    /// <summary>The backing or data file that the image names does not exist.</summary>
    public const string ReferencedFileMissing = nameof(ReferencedFileMissing);

    /// <summary>The backing chain is longer than any real one, or leads back to itself.</summary>
    public const string BackingChainInvalid = nameof(BackingChainInvalid);

    /// <summary>A write would give a disk that was guessed to be raw the header of another format.</summary>
    public const string RawHeaderWrite = nameof(RawHeaderWrite);

    /// <summary>The location is no path and no NBD URI.</summary>
    public const string LocationInvalid = nameof(LocationInvalid);

    /// <summary>The LUKS header places its payload beyond the end of the image.</summary>
    public const string PayloadMissing = nameof(PayloadMissing);

    /// <summary>The image keeps its data in another file that it does not name.</summary>
    public const string DataFileUnnamed = nameof(DataFileUnnamed);

    /// <summary>A smaller size would destroy data and was not asked for.</summary>
    public const string ShrinkRefused = nameof(ShrinkRefused);

    /// <summary>The target is a device with content, and overwriting it was not asked for.</summary>
    public const string DeviceOverwriteRefused = nameof(DeviceOverwriteRefused);

    /// <summary>A snapshot was named of an image that cannot have any.</summary>
    public const string SnapshotUnsupported = nameof(SnapshotUnsupported);
}
