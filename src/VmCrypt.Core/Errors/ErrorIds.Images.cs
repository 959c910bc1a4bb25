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
}
