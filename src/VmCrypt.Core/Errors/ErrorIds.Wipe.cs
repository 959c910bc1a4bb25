namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>No wipe standard has the name.</summary>
    public const string WipeStandardUnknown = nameof(WipeStandardUnknown);

    /// <summary>A user-defined wipe standard breaks the rules of the table.</summary>
    public const string WipeStandardInvalid = nameof(WipeStandardInvalid);
}
