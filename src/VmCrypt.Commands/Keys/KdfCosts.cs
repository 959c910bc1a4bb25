using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Commands.Keys;

/// <summary>The cost of a key slot as -IterTime and -Iterations give it.</summary>
internal static class KdfCosts
{
    public static KdfCost Of(int? iterTime, long? iterations) => (iterTime, iterations) switch
    {
        (null, null) => KdfCost.Default,
        ({ } milliseconds, null) => KdfCost.OfTime(TimeSpan.FromMilliseconds(milliseconds)),
        (null, { } count) => KdfCost.OfIterations(count),
        _ => throw new InvalidInputException(ErrorIds.InvalidParameter, "Give -IterTime or -Iterations, not both."),
    };
}
