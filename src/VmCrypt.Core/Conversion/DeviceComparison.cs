using VmCrypt.Core.Block;

namespace VmCrypt.Core.Conversion;

/// <summary>Proves that two devices show the same bytes.</summary>
public static class DeviceComparison
{
    private const int PieceSize = DeviceCopy.PieceSize;

    /// <summary>The offset of the first byte in which they differ, where what one lacks at its end counts as zeros; null where there is none.</summary>
    public static async ValueTask<long?> FirstDifferenceAsync(IBlockDevice one, IBlockDevice other, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        byte[] left = GC.AllocateUninitializedArray<byte>(PieceSize);
        byte[] right = GC.AllocateUninitializedArray<byte>(PieceSize);
        long length = Math.Max(one.Length, other.Length);
        for (long at = 0; at < length; at += PieceSize)
        {
            int count = (int)Math.Min(PieceSize, length - at);
            await Task.WhenAll(ReadAsync(one, at, left.AsMemory(0, count), cancellationToken), ReadAsync(other, at, right.AsMemory(0, count), cancellationToken));
            int same = left.AsSpan(0, count).CommonPrefixLength(right.AsSpan(0, count));
            if (same < count)
            {
                return at + same;
            }

            progress?.Report(new JobProgress("Comparing", at + count, length));
        }

        return null;
    }

    private static async Task ReadAsync(IBlockDevice device, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int there = (int)Math.Clamp(device.Length - offset, 0, buffer.Length);
        buffer.Span[there..].Clear();
        await device.ReadAsync(offset, buffer[..there], cancellationToken);
    }
}
