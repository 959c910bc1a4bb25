namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>No wipe standard has the name.</summary>
    public const string WipeStandardUnknown = nameof(WipeStandardUnknown);

    /// <summary>A user-defined wipe standard breaks the rules of the table.</summary>
    public const string WipeStandardInvalid = nameof(WipeStandardInvalid);

    /// <summary>The target grew, shrank or was replaced while it was wiped.</summary>
    public const string WipeTargetChanged = nameof(WipeTargetChanged);

    /// <summary>So much of the medium fails that going on makes no sense.</summary>
    public const string WipeMediumFailing = nameof(WipeMediumFailing);
}
