using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Makes new, empty qcow2 images.</summary>
public static class Qcow2Builder
{
    /// <summary>Replaces the content of <paramref name="file"/> (which stays the caller's) by an empty image.</summary>
    /// <remarks>The header is written last: an image whose creation was cut short is no image.
    /// Where a LUKS header is asked for, its place is left zeroed for the caller, see <see cref="Qcow2Image.OpenEncryptionHeader"/>.</remarks>
    public static ValueTask CreateAsync(IBlockDevice file, Qcow2CreateOptions options, CancellationToken cancellationToken) =>
        throw new NotSupportedException();
}
