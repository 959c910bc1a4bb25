using VmCrypt.Core.Errors;
using VmCrypt.Core.Ovirt;
using VmCrypt.Core.Tests.Ovirt;

namespace VmCrypt.Core.Tests.Evil.Ovirt;

/// <summary>One line of a good .meta file is changed in each row.</summary>
public sealed class OvirtMetaEvilTests
{
    [Theory]
    [InlineData("DOMAIN=")]
    [InlineData("DOMAIN=11111111")]
    [InlineData("DOMAIN={11111111-1111-4111-8111-111111111111}")]
    [InlineData("DOMAIN=../../../../etc")]
    [InlineData("IMAGE=../22222222-2222-4222-8222-222222222222")]
    [InlineData("PUUID=nothing")]
    [InlineData("FORMAT=QCOW2")]
    [InlineData("FORMAT=raw")]
    [InlineData("FORMAT=1")]
    [InlineData("FORMAT=RAW,COW")]
    [InlineData("TYPE=")]
    [InlineData("VOLTYPE=ROOT")]
    [InlineData("LEGALITY=PERHAPS")]
    [InlineData("CAP=-1")]
    [InlineData("CAP=1e9")]
    [InlineData("CAP=0x10")]
    [InlineData("CAP=9007199254740993")]
    [InlineData("CAP=99999999999999999999")]
    [InlineData("CTIME=yesterday")]
    [InlineData("CTIME=99999999999999999")]
    [InlineData("GEN=-3")]
    public void A_value_is_refused(string line) => Refuses(StorageDomain.Meta(line));

    [Theory]
    [InlineData("DOMAIN")]
    [InlineData("IMAGE")]
    [InlineData("PUUID")]
    [InlineData("FORMAT")]
    [InlineData("TYPE")]
    [InlineData("VOLTYPE")]
    [InlineData("LEGALITY")]
    [InlineData("CAP")]
    [InlineData("CTIME")]
    [InlineData("EOF")]
    public void A_missing_line_is_refused(string key) =>
        Refuses(string.Join('\n', StorageDomain.Good.Split('\n').Where(line => !line.StartsWith(key, StringComparison.Ordinal))));

    [Fact]
    public void A_line_that_stands_there_twice_is_refused() => Refuses("FORMAT=COW\n" + StorageDomain.Good);

    [Fact]
    public void An_absurd_size_in_sectors_does_not_overflow() => Refuses(StorageDomain.Meta("SIZE=9007199254740992").Replace("CAP=", "CAPACITY=", StringComparison.Ordinal));

    [Fact]
    public void An_empty_file_is_refused() => Refuses(string.Empty);

    private static void Refuses(string text) =>
        Assert.Equal(ErrorIds.OvirtMetaInvalid, Assert.Throws<InvalidImageException>(() => OvirtMeta.Parse(text, "x.meta")).ErrorId);
}
