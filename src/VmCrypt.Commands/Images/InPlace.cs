using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Images;

/// <summary>What the commands that convert images in their place have in common.</summary>
internal static class InPlace
{
    /// <summary>The secret that stands for the whole disk.</summary>
    public static SecretBuffer SecretOf(DiskKeys keys) => keys.Default
        ?? throw new InvalidInputException(ErrorIds.KeyRequired, "A conversion in place takes a passphrase or key file.");

    /// <summary>How the image is to be described when it is done.</summary>
    public static DiskOpenOptions Finished(DiskOpenOptions options, bool plain) =>
        options with { HeaderPath = plain ? null : options.HeaderPath, Format = plain || options.HeaderPath is not null ? ImageFormat.Raw : null };
}
