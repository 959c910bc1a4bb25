namespace VmCrypt.Core.Errors;

/// <summary>
/// The catalogue of error ids, one part of this class per layer (ErrorIds.Block.cs, ErrorIds.Luks.cs, …).
/// An id names the thing and its defect (<c>Luks1StripesInvalid</c>); once released it never changes its meaning.
/// </summary>
public static partial class ErrorIds
{
    /// <summary>A parameter's value cannot be used; the message names the parameter.</summary>
    public const string InvalidParameter = nameof(InvalidParameter);
}
