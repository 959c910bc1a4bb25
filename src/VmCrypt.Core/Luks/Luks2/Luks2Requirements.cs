using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>What a header requires of those who use it. None of it is done here, so that each is refused by its name, with what to do.</summary>
internal static class Luks2Requirements
{
    /// <summary>The name of the requirement, before its version.</summary>
    public const string OnlineReencrypt = "online-reencrypt";

    private static readonly string[] s_onlineReencrypt = [OnlineReencrypt, OnlineReencrypt + "-v2", OnlineReencrypt + "-v3"];

    /// <summary>A re-encryption of a version whose metadata is known.</summary>
    public static bool KnowsReencryption(Luks2Config config) => config.Requirements.Any(s_onlineReencrypt.Contains);

    /// <summary>A re-encryption of whatever version.</summary>
    public static bool NamesReencryption(Luks2Config config) => config.Requirements.Any(IsReencryption);

    /// <summary>A sentence about requirements that contradict each other; null where they do not.</summary>
    public static string? Violation(Luks2Config config) => config.Requirements.Count(IsReencryption) > 1
        ? "The LUKS2 metadata requires more than one kind of re-encryption."
        : null;

    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.Luks2ReencryptionUnfinished"/>, <see cref="ErrorIds.Luks2OpalUnsupported"/>,
    /// <see cref="ErrorIds.Luks2IntegrityUnsupported"/>, <see cref="ErrorIds.Luks2RequirementUnknown"/>.</exception>
    public static void RequireMet(Luks2Config config)
    {
        // Resume-ImageUpdate, to which the last one sends, would refuse because of the others.
        foreach (string requirement in config.Requirements.OrderBy(s_onlineReencrypt.Contains))
        {
            throw requirement switch
            {
                "offline-reencrypt" => Unsupported(ErrorIds.Luks2ReencryptionUnfinished,
                    "The disk is marked for an offline re-encryption, so its payload may have two keys; finish it with cryptsetup-reencrypt of cryptsetup 2.0 to 2.4."),
                _ when s_onlineReencrypt.Contains(requirement) => Unsupported(ErrorIds.Luks2ReencryptionUnfinished,
                    $"A re-encryption of the disk is not finished ({requirement}), so its payload has two keys; finish it with Resume-ImageUpdate or 'cryptsetup reencrypt --resume-only'."),
                "opal" or "opal-v2" => Unsupported(ErrorIds.Luks2OpalUnsupported,
                    "The disk is encrypted by its own hardware (OPAL), which only cryptsetup on that machine can unlock."),
                "inline-hw-tags" => Unsupported(ErrorIds.Luks2IntegrityUnsupported,
                    "The disk keeps authentication tags in its hardware sectors, which only cryptsetup on that machine can read."),
                _ => Unsupported(ErrorIds.Luks2RequirementUnknown,
                    $"The LUKS2 header requires '{requirement}', which this version does not know; use a newer one, or the tool that made the header."),
            };
        }
    }

    private static bool IsReencryption(string requirement) =>
        requirement == OnlineReencrypt
        || (requirement.StartsWith(OnlineReencrypt + "-v", StringComparison.Ordinal)
            && requirement.Length > OnlineReencrypt.Length + 2
            && requirement[(OnlineReencrypt.Length + 2)..].All(char.IsAsciiDigit));

    private static UnsupportedFeatureException Unsupported(string errorId, string message) => new(errorId, message);
}
