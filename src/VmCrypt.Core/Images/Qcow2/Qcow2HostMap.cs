using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>What each byte of a qcow2 file is for, found by following every table. Trusts none of them, changes nothing.</summary>
internal static class Qcow2HostMap
{
    public static async ValueTask<HostMap> ReadAsync(IBlockDevice file, IBlockDevice? dataFile, CancellationToken cancellationToken)
    {
        Qcow2Metadata metadata = await Qcow2Metadata.ReadAsync(file, cancellationToken);
        bool external = metadata.ToFacts().HasDataFile;
        var uses = new ClusterUses(metadata.Geometry.ClusterBits);
        var outside = new ClusterUses(metadata.Geometry.ClusterBits);
        var defects = new HostDefects();
        var walk = new ReferenceWalk(file, metadata, defects.Add)
        {
            Referred = area => (external && area.Use is HostUse.Data or HostUse.Snapshot ? outside : uses).Add(area),
        };
        await walk.RunAsync(_ => ValueTask.CompletedTask, cancellationToken);
        return new HostMap(HostAreas.Fill(uses.Areas(), file.Length), defects.Sentences)
        {
            DataFile = dataFile is null ? null : HostAreas.Fill(outside.Areas(), dataFile.Length),
        };
    }
}
