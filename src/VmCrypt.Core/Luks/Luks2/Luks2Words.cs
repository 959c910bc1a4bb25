using System.Globalization;
using System.Text.Json.Nodes;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>Words and numbers of the metadata that several objects have in common.</summary>
internal static class Luks2Words
{
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.HashUnsupported"/>.</exception>
    public static HashKind HashOf(string name) => HashKinds.TryParse(name, out HashKind hash)
        ? hash
        : throw new UnsupportedFeatureException(ErrorIds.HashUnsupported, $"The hash {name} is not known.");

    /// <summary>Iterations of PBKDF2 that can be counted.</summary>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.KdfCostTooHigh"/>.</exception>
    public static long RequireIterations(uint iterations, string owner) => iterations is > 0 and <= (uint)KdfCost.MaxIterations
        ? iterations
        : throw new UnsupportedFeatureException(ErrorIds.KdfCostTooHigh,
            $"{owner} has {iterations} iterations, but 1 to {KdfCost.MaxIterations} are allowed.");

    /// <summary>A number of 64 bits as the metadata writes it.</summary>
    public static string TextOf(long number) => number.ToString(CultureInfo.InvariantCulture);

    public static JsonArray NumbersOf(IEnumerable<int> numbers) => [.. numbers.Select(number => JsonValue.Create(Luks2Members.Name(number)))];
}
