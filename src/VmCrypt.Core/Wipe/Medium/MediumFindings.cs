namespace VmCrypt.Core.Wipe.Medium;

/// <summary>What the facts about a medium mean for an overwrite.</summary>
internal static class MediumFindings
{
    public static IEnumerable<WipeFinding> Of(MediumFacts facts, ExtentMap? extents)
    {
        if (facts.FileSystem is { } fileSystem && Of(fileSystem, $"'{facts.Path}'") is { } nature)
        {
            yield return nature;
        }

        foreach (WipeFinding finding in extents is null ? [] : Of(extents))
        {
            yield return finding;
        }

        if (facts.Kind is TargetKind.File or TargetKind.FreeSpace)
        {
            if (extents is null)
            {
                yield return Exception(FindingKind.ExtentsUnknown,
                    "The file system does not tell where the file lies, so that nobody can say whether the old blocks were overwritten.");
            }

            yield return new WipeFinding(FindingKind.MetadataNotCovered, FindingWeight.Note,
                "Not covered: the file's name and times, the file system's journal and metadata, blocks that the file has left earlier.");
        }

        if (facts is { Kind: TargetKind.BlockDevice, Disk.BackingFile: null })
        {
            yield return new WipeFinding(FindingKind.HiddenAreas, FindingWeight.Note,
                "Not covered: sectors that the drive has replaced by spare ones, and areas that it hides (HPA, DCO).");
        }

        foreach (WipeFinding finding in facts.Disk is null ? [] : Of(facts.Disk))
        {
            yield return finding;
        }
    }

    /// <summary>Null where the file system overwrites in place.</summary>
    public static WipeFinding? Of(FileSystemFacts fileSystem, string what) => fileSystem.Nature switch
    {
        StorageNature.InPlace => null,
        StorageNature.CopyOnWrite => Exception(FindingKind.CopyOnWrite,
            $"{what} lies on {fileSystem.Type}, which writes changed blocks to new places: the old ones keep the data until they are used again."),
        StorageNature.DataJournal => Exception(FindingKind.DataJournal,
            $"{what} lies on {fileSystem.Type} with journalled data: copies of it pass through the journal, which is not covered."),
        StorageNature.Network => Exception(FindingKind.NetworkStorage,
            $"{what} lies on {fileSystem.Type}, on other machines: their caches, copies and snapshots cannot be seen from here."),
        StorageNature.Memory => Exception(FindingKind.MemoryStorage,
            $"{what} lies on {fileSystem.Type}, in memory: swap may hold older copies."),
        StorageNature.Layered => Exception(FindingKind.LayeredStorage,
            $"{what} lies on {fileSystem.Type}, over another file system that may keep the old bytes."),
        _ => Exception(FindingKind.UnknownStorage,
            $"{what} lies on {fileSystem.Type}, of which it is not known whether it overwrites in place."),
    };

    private static IEnumerable<WipeFinding> Of(ExtentMap extents)
    {
        long shared = extents.BytesWith(ExtentTraits.Shared);
        if (shared > 0)
        {
            yield return Exception(FindingKind.SharedExtents,
                $"{shared} bytes are shared with other files or snapshots, which keep them; overwriting gives this file new blocks.", shared);
        }

        long encoded = extents.BytesWith(ExtentTraits.Encoded);
        if (encoded > 0)
        {
            yield return Exception(FindingKind.Encoded,
                $"{encoded} bytes are compressed or encrypted by the file system, so that old and new bytes need not meet.", encoded);
        }

        long inline = extents.BytesWith(ExtentTraits.Inline);
        if (inline > 0)
        {
            yield return Exception(FindingKind.InlineData,
                $"{inline} bytes stand in metadata of the file system, older copies of which are not covered.", inline);
        }
    }

    private static IEnumerable<WipeFinding> Of(DiskFacts disk)
    {
        foreach (DiskFacts layer in disk.Layers.Where(layer => layer.NotInPlace is not null))
        {
            yield return Exception(FindingKind.NotInPlaceBelow, $"Below lies {layer.Name}: {layer.NotInPlace}.");
        }

        if (OperatingSystem.IsLinux())
        {
            foreach ((string file, FileSystemFacts fileSystem, DiskFacts? below) in MediumInspector.FilesBelow(disk))
            {
                if (Of(fileSystem, $"The file '{file}' below") is { } nature)
                {
                    yield return nature;
                }

                foreach (DiskFacts layer in below is null ? [] : below.Layers.Where(layer => layer.NotInPlace is not null))
                {
                    yield return Exception(FindingKind.NotInPlaceBelow, $"Below '{file}' lies {layer.Name}: {layer.NotInPlace}.");
                }
            }
        }

        if (disk.Layers.Any(layer => layer.Rotational == false))
        {
            yield return new WipeFinding(FindingKind.Flash, FindingWeight.Note,
                $"{disk.Name} does not rotate: flash keeps old copies in spare blocks, which only the drive's own sanitise command reaches.");
        }
    }

    private static WipeFinding Exception(FindingKind kind, string text, long bytes = 0) => new(kind, FindingWeight.Exception, text) { Bytes = bytes };
}
