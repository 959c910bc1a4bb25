using VmCrypt.Core.Ovirt;

namespace VmCrypt.Core.Tests.Ovirt;

public sealed class OvirtMetaTests
{
    [Fact]
    public void Reads_what_vdsm_writes_since_version_5()
    {
        OvirtMeta meta = OvirtMeta.Parse(StorageDomain.Good, "x.meta");

        Assert.Equal((StorageDomain.Uuid, StorageDomain.Image, null), (meta.DomainUuid, meta.ImageUuid, meta.ParentUuid));
        Assert.Equal((OvirtFormat.Raw, OvirtAllocation.Sparse, OvirtRole.Leaf, OvirtLegality.Legal), (meta.Format, meta.Allocation, meta.Role, meta.Legality));
        Assert.Equal((1048576, 3, DateTimeOffset.FromUnixTimeSeconds(1600000000)), (meta.Capacity, meta.Generation, meta.Created));
        Assert.Equal("web01_Disk1", meta.Alias);
    }

    [Fact]
    public void Reads_what_vdsm_wrote_before()
    {
        string old = StorageDomain.Meta("SIZE=2048", "MTIME=0", "POOL_UUID=", "DESCRIPTION=a = b", "TYPE=PREALLOCATED").Replace("CAP=1048576\n", string.Empty, StringComparison.Ordinal)
            .Replace("GEN=3\n", string.Empty, StringComparison.Ordinal);

        OvirtMeta meta = OvirtMeta.Parse(old, "x.meta");

        Assert.Equal((1048576, 0, OvirtAllocation.Preallocated), (meta.Capacity, meta.Generation, meta.Allocation));
        Assert.Equal(("a = b", null), (meta.Description, meta.Alias));
    }

    [Fact]
    public void Reads_nothing_behind_the_end() =>
        Assert.Equal(1048576, OvirtMeta.Parse(StorageDomain.Good + "CAP=5\n\0\0\0", "x.meta").Capacity);
}
