using VmCrypt.Core.Block;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Reencryption;

/// <summary>Room of an image's file to which nothing refers, and which still has what it held before.</summary>
internal static class FreedRoom
{
    /// <summary>Overwrites what is stored of the range; what the file system has taken back is out of reach.</summary>
    public static async ValueTask OverwriteAsync(IBlockDevice file, long offset, long length, CancellationToken cancellationToken)
    {
        await foreach (Extent extent in file.ExtentsAsync(offset, length, cancellationToken))
        {
            if (extent.Kind == ExtentKind.Data)
            {
                await LuksEraser.OverwriteOnceAsync(file, extent.Offset, extent.Length, cancellationToken);
            }
        }
    }
}
