using VmCrypt.Core.Buffers;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Tests.Images.Qcow2;

public sealed class Qcow2HeaderTests
{
    private static readonly Qcow2Header s_header = new()
    {
        Version = 3,
        BackingNameOffset = 0x0102030405060708,
        BackingNameBytes = 0x11121314,
        ClusterBits = 16,
        VirtualSize = 0x2122232425262728,
        CryptMethod = 2,
        L1Entries = 0x31323334,
        L1Offset = 0x4142434445464748,
        RefcountTableOffset = 0x5152535455565758,
        RefcountTableClusters = 0x61626364,
        SnapshotCount = 0x71727374,
        SnapshotTableOffset = 0x3132333435363738,
        Incompatible = Qcow2Incompatible.Dirty | Qcow2Incompatible.ExtendedL2,
        Compatible = Qcow2Compatible.LazyRefcounts,
        Autoclear = Qcow2Autoclear.RawExternalData,
        RefcountOrder = 5,
        HeaderBytes = 112,
        CompressionType = 1,
    };

    [Fact]
    public void Survives_a_round_trip()
    {
        byte[] bytes = new byte[Qcow2Header.SizeFull];
        s_header.WriteTo(bytes);

        Assert.Equal(s_header, Qcow2Header.Parse(bytes));
        Assert.Equal(
            "514649FB00000003" + "0102030405060708" + "11121314" + "00000010" + "2122232425262728" + "00000002" + "31323334" + "4142434445464748" +
            "5152535455565758" + "61626364" + "71727374" + "3132333435363738" +
            "0000000000000011" + "0000000000000001" + "0000000000000002" + "00000005" + "00000070" + "0100000000000000",
            Convert.ToHexString(bytes));
    }

    [Fact]
    public void Version_2_ends_after_72_bytes_and_implies_the_rest()
    {
        byte[] bytes = new byte[Qcow2Header.SizeFull];
        bytes.AsSpan(Qcow2Header.SizeVersion2).Fill(0xEE);
        (s_header with { Version = 2, HeaderBytes = 72 }).WriteTo(bytes);

        Qcow2Header parsed = Qcow2Header.Parse(bytes);

        Assert.All(bytes[72..], value => Assert.Equal(0xEE, value));
        Assert.Equal((72u, 4u, Qcow2Incompatible.None, (byte)0), (parsed.HeaderBytes, parsed.RefcountOrder, parsed.Incompatible, parsed.CompressionType));
    }

    [Fact]
    public void Extensions_survive_a_round_trip_and_take_the_room_that_they_say()
    {
        var extensions = new Qcow2HeaderExtensions
        {
            BackingFormat = "qcow2",
            DataFile = "größer.raw",
            EncryptionHeader = new Qcow2EncryptionHeader(65536, 2_068_480),
            FeatureNames = Qcow2Features.Known,
        };
        byte[] area = new byte[extensions.EncodedSize];
        var writer = new SpanWriter(area);

        extensions.WriteTo(ref writer);

        Assert.Equal(0, writer.Remaining);
        Qcow2HeaderExtensions parsed = Qcow2HeaderExtensions.Parse(area);
        Assert.Equal((extensions.BackingFormat, extensions.DataFile, extensions.EncryptionHeader),
            (parsed.BackingFormat, parsed.DataFile, parsed.EncryptionHeader));
        Assert.Equal(extensions.FeatureNames, parsed.FeatureNames);
    }

    [Fact]
    public void Unknown_extensions_are_passed_over()
    {
        byte[] area = [0x12, 0x34, 0x56, 0x78, 0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 0, 0, 0xE2, 0x79, 0x2A, 0xCA, 0, 0, 0, 3, (byte)'r', (byte)'a', (byte)'w'];

        Assert.Equal("raw", Qcow2HeaderExtensions.Parse(area).BackingFormat);
    }
}
