namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>No copy of the VHD footer is good, or the two contradict each other.</summary>
    public const string VhdFooterInvalid = nameof(VhdFooterInvalid);

    /// <summary>The version of the VHD footer or header is not known.</summary>
    public const string VhdVersionUnsupported = nameof(VhdVersionUnsupported);

    /// <summary>The VHD file is none of fixed, dynamic and differencing.</summary>
    public const string VhdTypeUnsupported = nameof(VhdTypeUnsupported);

    /// <summary>The size of the VHD disk is beyond 2040 GiB, no multiple of 512, or more than its file or table holds.</summary>
    public const string VhdSizeInvalid = nameof(VhdSizeInvalid);

    /// <summary>The header of the dynamic VHD disk is damaged or misplaced.</summary>
    public const string VhdHeaderInvalid = nameof(VhdHeaderInvalid);

    /// <summary>The block size of the VHD disk is no power of two from 512 bytes to 256 MiB.</summary>
    public const string VhdBlockSizeInvalid = nameof(VhdBlockSizeInvalid);

    /// <summary>The block allocation table of the VHD disk is misplaced, too short for the disk or longer than any.</summary>
    public const string VhdTableInvalid = nameof(VhdTableInvalid);

    /// <summary>An entry of the VHD block allocation table names a place where no block can be.</summary>
    public const string VhdTableEntryInvalid = nameof(VhdTableEntryInvalid);

    /// <summary>A parent locator of the differencing VHD disk is outside of its file, or none names the parent.</summary>
    public const string VhdParentLocatorInvalid = nameof(VhdParentLocatorInvalid);

    /// <summary>A virtual machine is suspended with the VHD disk, which would damage both if it were written.</summary>
    public const string VhdInSavedState = nameof(VhdInSavedState);

    /// <summary>Options of a new VHD file are out of range or contradict each other.</summary>
    public const string VhdOptionsInvalid = nameof(VhdOptionsInvalid);
}
