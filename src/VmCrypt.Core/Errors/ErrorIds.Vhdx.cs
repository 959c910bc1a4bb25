namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>The VHDX file identifier is missing, or neither header is good.</summary>
    public const string VhdxHeaderInvalid = nameof(VhdxHeaderInvalid);

    /// <summary>The version of the VHDX file or of its log is not known.</summary>
    public const string VhdxVersionUnsupported = nameof(VhdxVersionUnsupported);

    /// <summary>The VHDX log is misplaced or too long, or it would change what no log may.</summary>
    public const string VhdxLogInvalid = nameof(VhdxLogInvalid);

    /// <summary>The VHDX file is shorter than its log says that it was.</summary>
    public const string VhdxFileTruncated = nameof(VhdxFileTruncated);

    /// <summary>The VHDX file has no log, without which it cannot be changed safely.</summary>
    public const string VhdxLogMissing = nameof(VhdxLogMissing);

    /// <summary>Neither VHDX region table is good, or a region is missing from it or there twice.</summary>
    public const string VhdxRegionTableInvalid = nameof(VhdxRegionTableInvalid);

    /// <summary>A VHDX region is misaligned, outside of the file, or overlaps another or the log.</summary>
    public const string VhdxRegionInvalid = nameof(VhdxRegionInvalid);

    /// <summary>The VHDX file requires a region to be understood that is not known.</summary>
    public const string VhdxRegionUnsupported = nameof(VhdxRegionUnsupported);

    /// <summary>The VHDX metadata table is damaged, or an item is missing, there twice, of the wrong length or outside of its region.</summary>
    public const string VhdxMetadataInvalid = nameof(VhdxMetadataInvalid);

    /// <summary>The VHDX file requires a metadata item to be understood that is not known.</summary>
    public const string VhdxMetadataUnsupported = nameof(VhdxMetadataUnsupported);

    /// <summary>The block size of the VHDX file is no power of two from 1 to 256 MiB.</summary>
    public const string VhdxBlockSizeInvalid = nameof(VhdxBlockSizeInvalid);

    /// <summary>A sector size of the VHDX file is neither 512 nor 4096.</summary>
    public const string VhdxSectorSizeInvalid = nameof(VhdxSectorSizeInvalid);

    /// <summary>The virtual size of the VHDX file is no multiple of its sectors, or beyond 64 TiB.</summary>
    public const string VhdxSizeInvalid = nameof(VhdxSizeInvalid);

    /// <summary>The block allocation table of the VHDX file is too short for its disk.</summary>
    public const string VhdxBatInvalid = nameof(VhdxBatInvalid);

    /// <summary>An entry of the VHDX block allocation table has no meaning, or names a place where no block can be.</summary>
    public const string VhdxBatEntryInvalid = nameof(VhdxBatEntryInvalid);

    /// <summary>The parent locator of the differencing VHDX file is damaged or says too little.</summary>
    public const string VhdxParentLocatorInvalid = nameof(VhdxParentLocatorInvalid);

    /// <summary>The parent locator of the differencing VHDX file is of a type that is not known.</summary>
    public const string VhdxParentLocatorUnsupported = nameof(VhdxParentLocatorUnsupported);

    /// <summary>Options of a new VHDX file are out of range or contradict each other.</summary>
    public const string VhdxOptionsInvalid = nameof(VhdxOptionsInvalid);
}
