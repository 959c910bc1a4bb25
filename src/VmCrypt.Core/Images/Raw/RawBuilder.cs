using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Raw;

/// <summary>Makes raw images: the disk's bytes and nothing else.</summary>
public static class RawBuilder
{
    /// <summary>Gives <paramref name="file"/> (which stays the caller's) the size and the storage asked for; it reads as zeros.</summary>
    /// <param name="preallocation">Raw images have no tables: <see cref="Preallocation.Metadata"/> is <see cref="Preallocation.Off"/>.</param>
    public static async ValueTask CreateAsync(IBlockDevice file, long size, Preallocation preallocation, CancellationToken cancellationToken)
    {
        if (file.Traits.CanResize)
        {
            await file.SetLengthAsync(0, cancellationToken);
            await file.SetLengthAsync(size, cancellationToken);
        }
        else
        {
            // A device of fixed size holds somebody's old bytes.
            BlockGuard.WritableRange(file, 0, size);
            await file.ZeroAsync(0, size, ZeroFlags.None, cancellationToken);
        }

        await StorageReserve.FillAsync(file, 0, size, preallocation, cancellationToken);
        await file.FlushAsync(cancellationToken);
    }
}
