using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Blocks;

/// <summary>What each byte of a file is for whose disk is cut into large blocks.</summary>
internal static class BlockHostMap
{
    public static async ValueTask<HostMap> ReadAsync(BlockTable table, CancellationToken cancellationToken)
    {
        (List<HostArea> areas, IReadOnlyList<string> defects) = await GatherAsync(table, cancellationToken);
        if (table.LeadBytes > 0)
        {
            areas.AddRange([.. areas.Where(area => area.Use == HostUse.Data).Select(area => new HostArea(area.Offset - table.LeadBytes, table.LeadBytes, HostUse.Metadata))]);
        }

        areas.Add(new HostArea(table.File.Length - table.EndBytes, table.EndBytes, HostUse.Metadata));
        return new HostMap(HostAreas.Complete(areas, table.File.Length), defects);
    }

    /// <summary>Why writing to a block might be writing to another, or fail half way; empty where all blocks have places of their own.</summary>
    public static async ValueTask<IReadOnlyList<string>> FindDefectsAsync(BlockTable table, CancellationToken cancellationToken)
    {
        (List<HostArea> areas, IReadOnlyList<string> defects) = await GatherAsync(table, cancellationToken);
        if (defects.Count > 0)
        {
            return defects;
        }

        HostArea before = default;
        foreach (HostArea block in areas.Where(area => area.Use == HostUse.Data).OrderBy(area => area.Offset))
        {
            // A disk that grows takes all of its last block's place.
            if (block.Offset - table.LeadBytes < before.Offset + (before.Length > 0 ? table.BlockSize : 0))
            {
                return [$"The blocks {before.Guest / table.BlockSize} and {block.Guest / table.BlockSize} share a place at offset {block.Offset}."];
            }

            before = block;
        }

        return [];
    }

    /// <summary>Structures and blocks (without <see cref="BlockTable.LeadBytes"/>) in no order, and what is wrong with entries, which are passed over then.</summary>
    public static async ValueTask<(List<HostArea> Areas, IReadOnlyList<string> Defects)> GatherAsync(BlockTable table, CancellationToken cancellationToken)
    {
        List<HostArea> areas = [.. table.Structures];
        var defects = new HostDefects();
        for (long block = 0; block < table.BlockCount && !defects.IsFull;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            BlockEntry entry = default;
            try
            {
                entry = await table.FindAsync(block, cancellationToken);
                if (entry.IsStored)
                {
                    areas.Add(new HostArea(entry.Offset, table.UsedBytes(block), HostUse.Data, block * table.BlockSize));
                }

                areas.Add(await table.BitmapOfAsync(block, entry, cancellationToken));
            }
            catch (InvalidImageException defect)
            {
                // What lies elsewhere is still to be judged.
                defects.Add(defect.Message);
                block++;
                continue;
            }

            block += entry.IsStored ? 1 : await table.CountAlikeAsync(block, table.BlockCount - block, cancellationToken);
        }

        return (areas, defects.Sentences);
    }
}
