using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Bytes of a table on their way to the file.</summary>
internal readonly record struct MetadataWrite(long Offset, byte[] Bytes)
{
    private const int MaxJoined = 1024 * 1024;

    public long End => Offset + Bytes.Length;

    /// <summary>Writes all of them, neighbours in one call; their order among each other does not matter.</summary>
    public static async ValueTask WriteAllAsync(IBlockDevice file, List<MetadataWrite> writes, CancellationToken cancellationToken)
    {
        writes.Sort((first, second) => first.Offset.CompareTo(second.Offset));
        for (int first = 0, next; first < writes.Count; first = next)
        {
            next = first + 1;
            while (next < writes.Count && writes[next].Offset == writes[next - 1].End && writes[next].End - writes[first].Offset <= MaxJoined)
            {
                next++;
            }

            byte[] bytes = next == first + 1 ? writes[first].Bytes : Join(writes, first, next);
            await file.WriteAsync(writes[first].Offset, bytes, cancellationToken);
        }
    }

    private static byte[] Join(List<MetadataWrite> writes, int first, int next)
    {
        byte[] joined = new byte[writes[next - 1].End - writes[first].Offset];
        for (int i = first; i < next; i++)
        {
            writes[i].Bytes.CopyTo(joined, writes[i].Offset - writes[first].Offset);
        }

        return joined;
    }
}
