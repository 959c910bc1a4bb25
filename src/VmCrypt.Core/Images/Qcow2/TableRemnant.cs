using System.Buffers.Binary;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Recognises what tables leave in clusters that were theirs.</summary>
internal static class TableRemnant
{
    // Few clusters are referred to more often, so entries of 16 bits are small numbers.
    private const ushort LargeRefcount = 16;

    /// <summary>Whether the bytes are entries of an L1, L2 or refcount table, or refcounts of 16 bits.</summary>
    public static bool Is(ReadOnlySpan<byte> block, int clusterSize, long fileLength) =>
        ArePlaces(block, (ulong)clusterSize, (ulong)fileLength) || AreRefcounts(block);

    private static bool ArePlaces(ReadOnlySpan<byte> block, ulong clusterSize, ulong fileLength)
    {
        for (; block.Length >= sizeof(ulong); block = block[sizeof(ulong)..])
        {
            ulong entry = BinaryPrimitives.ReadUInt64BigEndian(block);
            ulong place = entry & ~(L2Entry.CopiedFlag | L2Entry.ZeroFlag);
            if (place % clusterSize != 0 || place >= fileLength)
            {
                return false;
            }
        }

        return block.IsEmpty;
    }

    private static bool AreRefcounts(ReadOnlySpan<byte> block)
    {
        for (; block.Length >= sizeof(ushort); block = block[sizeof(ushort)..])
        {
            if (BinaryPrimitives.ReadUInt16BigEndian(block) >= LargeRefcount)
            {
                return false;
            }
        }

        return block.IsEmpty;
    }
}
