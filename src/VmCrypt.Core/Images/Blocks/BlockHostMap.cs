using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Blocks;

/// <summary>What each byte of a file is for whose disk is cut into large blocks.</summary>
internal static class BlockHostMap
{
    /// <summary>Completes a map by the blocks of the table.</summary>
    /// <param name="structures">All that is no block's data.</param>
    /// <param name="around">What stands in the file for the sake of one stored block, such as its bitmap.</param>
    public static async ValueTask<HostMap> ReadAsync(
        BlockTable table, IEnumerable<HostArea> structures, Func<long, BlockEntry, CancellationToken, ValueTask<HostArea>> around, CancellationToken cancellationToken)
    {
        List<HostArea> areas = [.. structures];
        List<string> defects = [];
        for (long block = 0; block < table.BlockCount;)
        {
            BlockEntry entry = default;
            try
            {
                entry = await table.FindAsync(block, cancellationToken);
                if (entry.IsStored)
                {
                    areas.Add(new HostArea(entry.Offset, table.UsedBytes(block), HostUse.Data, block * table.BlockSize));
                    areas.Add(await around(block, entry, cancellationToken));
                }
            }
            catch (InvalidImageException defect)
            {
                // The walk goes on: what lies elsewhere is still to be judged.
                defects.Add(defect.Message);
                block++;
                continue;
            }

            block += entry.IsStored ? 1 : await table.CountAlikeAsync(block, table.BlockCount - block, cancellationToken);
        }

        return new HostMap(HostAreas.Complete(areas, table.File.Length), defects);
    }
}
