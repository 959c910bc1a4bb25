namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>The header of a version 1 qcow image breaks the rules.</summary>
    public const string QcowHeaderInvalid = nameof(QcowHeaderInvalid);

    /// <summary>crypt_method of a version 1 qcow image is neither 0 nor 1.</summary>
    public const string QcowCryptMethodUnsupported = nameof(QcowCryptMethodUnsupported);

    /// <summary>A table or cluster of a version 1 qcow image is damaged.</summary>
    public const string QcowTableInvalid = nameof(QcowTableInvalid);
}
