using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images;

/// <summary>Gives a range that reads as zeros the storage that a <see cref="Preallocation"/> promises.</summary>
internal static class StorageReserve
{
    private const int Piece = 1024 * 1024;

    public static async ValueTask FillAsync(
        IBlockDevice file, long offset, long count, Preallocation preallocation, CancellationToken cancellationToken)
    {
        if (preallocation == Preallocation.Falloc)
        {
            await file.ZeroAsync(offset, count, ZeroFlags.KeepAllocated, cancellationToken);
        }
        else if (preallocation == Preallocation.Full)
        {
            byte[] zeros = new byte[(int)Math.Min(Piece, count)];
            for (long at = 0; at < count; at += zeros.Length)
            {
                await file.WriteAsync(offset + at, zeros.AsMemory(0, (int)Math.Min(zeros.Length, count - at)), cancellationToken);
            }
        }
    }
}
