using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Host;

/// <summary>What an export of Unlock-Image serves.</summary>
internal static class ExportedImage
{
    /// <summary>How the disk at an export is to be opened: it is plain, and its guest may have written any header there, so none is looked for.</summary>
    /// <param name="uri">Null where the image itself was given.</param>
    public static DiskOpenOptions OfExport(this DiskOpenOptions options, string? uri) =>
        uri is null || options.Format is not null ? options : options with { Format = ImageFormat.Raw, PayloadFormat = ImageFormat.Raw };
}
