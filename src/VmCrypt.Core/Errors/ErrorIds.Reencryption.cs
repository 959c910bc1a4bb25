namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>Somebody wrote to an image whose conversion was interrupted.</summary>
    public const string ImageChangedMeanwhile = nameof(ImageChangedMeanwhile);

    /// <summary>The disk is encrypted already.</summary>
    public const string AlreadyEncrypted = nameof(AlreadyEncrypted);

    /// <summary>The image cannot grow to make room for a header.</summary>
    public const string NoRoomForHeader = nameof(NoRoomForHeader);

    /// <summary>Other key slots would be lost, because their passphrases are not known.</summary>
    public const string KeySlotsWouldBeLost = nameof(KeySlotsWouldBeLost);

    /// <summary>Another conversion of the image is unfinished.</summary>
    public const string OtherReencryptionUnfinished = nameof(OtherReencryptionUnfinished);

    /// <summary>The image is of a format that is not converted in its place.</summary>
    public const string InPlaceUnsupported = nameof(InPlaceUnsupported);

    /// <summary>The record of a backing chain's unfinished conversion is damaged.</summary>
    public const string ChainRecordInvalid = nameof(ChainRecordInvalid);

    /// <summary>A backing chain has other layers than when its conversion began.</summary>
    public const string ChainChanged = nameof(ChainChanged);

    /// <summary>Another image is built on the image, or the layer of a chain, that is to be converted.</summary>
    public const string LayerHasOtherUsers = nameof(LayerHasOtherUsers);

    /// <summary>The image is of a format, or has or is to get something, with which its disk cannot be used while it is converted in its place.</summary>
    public const string LiveConversionUnsupported = nameof(LiveConversionUnsupported);
}
