using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Vhd;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Luks.Luks2;
using VmCrypt.Core.Luks.Luks2.Reencrypt;

namespace VmCrypt.Core.Stack;

/// <summary>Which container, if any, holds a disk that is, or is to be, converted in its place.</summary>
/// <remarks>
/// Before a conversion the file's first bytes tell, or the caller does. While one is under way under a header that does not lie in front,
/// the file may begin with what its guest wrote, and that header alone tells: by a flag that was set when the conversion began.
/// </remarks>
internal static class ConvertedContainer
{
    private static readonly (ImageFormat Format, string Flag)[] s_flags =
        [(ImageFormat.Vhdx, Luks2ReencryptHeader.VhdxFlag), (ImageFormat.Vhd, Luks2ReencryptHeader.VhdFlag)];

    /// <summary>What the header of a conversion in that container is flagged with; null for the file itself.</summary>
    public static string[] FlagsOf(ImageFormat? container) => [.. s_flags.Where(known => known.Format == container).Select(known => known.Flag)];

    /// <summary>The header tells of a conversion that has begun, and whose last step is not done.</summary>
    public static bool IsUnfinished(LuksFacts header) =>
        header.Requirements.Any(requirement => requirement.StartsWith(Luks2Requirements.OnlineReencrypt, StringComparison.Ordinal))
        || header.Flags.Contains(Luks2ReencryptHeader.CleanUpFlag) || header.Flags.Contains(Luks2ReencryptHeader.Luks1Flag);

    /// <summary>Not the file's first bytes tell what it is, which may be its guest's, but the header in a file of its own alone.</summary>
    public static bool IsToldBy(LuksFacts? outside, bool isBeside) => outside is not null && (isBeside || IsUnfinished(outside));

    /// <summary>The container that <paramref name="storage"/> is; null where its bytes are the disk, or for any other container.</summary>
    /// <param name="storage">The image's file.</param>
    /// <param name="named">The format that the caller gave; null for none.</param>
    /// <param name="outside">The header in a file of its own; null where there is none.</param>
    /// <param name="isBeside">That file is there only while a conversion is under way.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.FormatMismatch"/>.</exception>
    public static async ValueTask<ImageFormat?> RecogniseAsync(
        IBlockDevice storage, ImageFormat? named, LuksFacts? outside, bool isBeside, CancellationToken cancellationToken)
    {
        if (IsToldBy(outside, isBeside))
        {
            // At its very end the header beside loses its flag before it is deleted.
            return Agreed(named, FlaggedBy(outside!), isFlagged: isBeside && IsUnfinished(outside!));
        }

        ImageFormat found = await FormatProbe.RecogniseAsync(storage, cancellationToken);
        return found == ImageFormat.Luks && outside is null && await IsFlaggedVhdAsync(storage, cancellationToken)
            ? Agreed(named, ImageFormat.Vhd, isFlagged: true)
            : VirtualDisk(named ?? found);
    }

    private static ImageFormat? VirtualDisk(ImageFormat? format) => format is ImageFormat.Vhdx or ImageFormat.Vhd ? format : null;

    private static ImageFormat? FlaggedBy(LuksFacts header) =>
        s_flags.Where(known => header.Flags.Contains(known.Flag)).Select(known => (ImageFormat?)known.Format).FirstOrDefault();

    /// <param name="named">What the caller said.</param>
    /// <param name="flagged">What the header says.</param>
    /// <param name="isFlagged">
    /// The header is ours, which has a flag in every container. Another may be one of cryptsetup, which knows no containers, but may have
    /// been shown the disk in one.
    /// </param>
    private static ImageFormat? Agreed(ImageFormat? named, ImageFormat? flagged, bool isFlagged) =>
        flagged is null && (!isFlagged || VirtualDisk(named) is null) ? VirtualDisk(named)
        : named is null || named == flagged ? flagged
        : throw new InvalidInputException(ErrorIds.FormatMismatch,
            $"The image was named {named}, but the conversion that is under way is one of {(flagged is null ? "a raw disk" : $"the disk in a {flagged} file")}.");

    // A fixed VHD begins with the disk itself, and so with its header: a conversion that began in one has flagged that.
    private static async ValueTask<bool> IsFlaggedVhdAsync(IBlockDevice storage, CancellationToken cancellationToken)
    {
        LuksFacts front = await LuksHeader.DescribeAsync(storage, LuksOpenOptions.Default with { Placement = LuksPlacement.Detached }, cancellationToken);
        return FlaggedBy(front) == ImageFormat.Vhd && await VhdFooter.ReadAsync(storage, storage.Length - VhdFooter.Size, cancellationToken) is not null;
    }
}
