using System.Buffers.Binary;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Qcow;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Images.Vhd;
using VmCrypt.Core.Images.Vhdx;
using VmCrypt.Core.Stack;
using VmCrypt.Core.Tests.Proof;

namespace VmCrypt.Core.Tests.Images;

/// <summary>Maps of files cover every byte once, whatever tables say.</summary>
public sealed class HostMapTests
{
    private const int Size = 3 << 20;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(ImageFormat.Qcow2)]
    [InlineData(ImageFormat.Vhdx)]
    [InlineData(ImageFormat.Vhd)]
    public async Task Every_guest_byte_is_where_the_map_says(ImageFormat format)
    {
        byte[] content = Ciphertext.Of(Size, seed: 3);
        byte[] file = await MakeAsync(format, content);

        HostMap map = await MapAsync(format, file);

        Assert.Empty(map.Defects);
        HostArea[] areas = Whole(map, file.Length);
        Assert.Equal(Size, areas.Where(area => area.Use == HostUse.Data).Sum(area => area.Length));
        foreach (HostArea area in areas.Where(area => area.Use == HostUse.Data))
        {
            Assert.Equal(content.AsSpan((int)area.Guest, (int)area.Length), file.AsSpan((int)area.Offset, (int)area.Length));
        }
    }

    [Theory]
    [InlineData(ImageFormat.Qcow2, 1)]
    [InlineData(ImageFormat.Vhdx, 2)]
    [InlineData(ImageFormat.Vhd, 3)]
    public async Task A_damaged_file_is_covered_all_the_same_or_refused(ImageFormat format, int seed)
    {
        byte[] sound = await MakeAsync(format, Ciphertext.Of(Size, seed: 3));
        HostArea[] tables = [.. Whole(await MapAsync(format, sound), sound.Length).Where(area => area.Use == HostUse.Metadata)];
        var random = new Random(seed);
        int covered = 0;
        for (int round = 0; round < 300; round++)
        {
            byte[] file = [.. sound];
            HostArea table = tables[random.Next(tables.Length)];
            long used = Math.Min(table.Length, 4096);
            file[table.Offset + random.NextInt64(used)] ^= (byte)random.Next(1, 256);
            try
            {
                Whole(await MapAsync(format, file), file.Length);
                covered++;
            }
            catch (VmCryptException)
            {
                // Refused by a rule of the format.
            }
        }

        Assert.InRange(covered, 1, 300);
    }

    [Fact]
    public async Task A_cluster_that_is_table_and_data_at_once_counts_as_data()
    {
        byte[] file = await MakeAsync(ImageFormat.Qcow2, Ciphertext.Of(Size, seed: 3));
        HostArea[] areas = Whole(await MapAsync(ImageFormat.Qcow2, file), file.Length);
        long data = areas.First(area => area.Use == HostUse.Data).Offset;
        long refcounts = (long)BigEndian(file, 48);
        // The table of refcounts claims the guest's first cluster as one of its blocks.
        BinaryPrimitives.WriteUInt64BigEndian(file.AsSpan((int)refcounts + 8), (ulong)data);

        HostArea[] claimed = Whole(await MapAsync(ImageFormat.Qcow2, file), file.Length);

        Assert.Equal(HostUse.Data, claimed.Last(area => area.Offset <= data).Use);
    }

    [Theory]
    [InlineData("0-10 5-10 30-10", 50, "0-10 10-5 15-15 30-10 40-10")]
    [InlineData("10-10", 15, "0-10 10-5")]
    [InlineData("20-10 20-10 20-5", 30, "0-20 20-10")]
    [InlineData("100-10", 50, "0-50")]
    [InlineData("", 7, "0-7")]
    public void Gaps_are_filled_and_overlaps_cut(string areas, int length, string expected)
    {
        IEnumerable<HostArea> given = areas.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(area => area.Split('-'))
            .Select(parts => new HostArea(long.Parse(parts[0]), long.Parse(parts[1]), HostUse.Data));

        Assert.Equal(expected, string.Join(' ', HostAreas.Complete(given, length).Select(area => $"{area.Offset}-{area.Length}")));
    }

    [Theory]
    [InlineData("M0-100 D20-10 D50-10", "M0-20 D20-10 M30-20 D50-10 M60-40 T100-20")]
    [InlineData("M0-100 M10-110 D50-10", "M0-50 D50-10 M60-40 M100-20")]
    [InlineData("M40-10 D30-30 E0-35", "E0-30 D30-30 T60-60")]
    [InlineData("M20-10 D20-10 U25-15", "U0-20 D20-10 U30-10 T40-80")]
    public void Tables_do_not_hide_what_else_lies_there(string areas, string expected)
    {
        IEnumerable<HostArea> given = areas.Split(' ').Select(area => (Use: area[0], Parts: area[1..].Split('-')))
            .Select(area => new HostArea(long.Parse(area.Parts[0]), long.Parse(area.Parts[1]), area.Use switch
            {
                'M' => HostUse.Metadata,
                'E' => HostUse.EncryptionHeader,
                'D' => HostUse.Data,
                _ => HostUse.Unused,
            }));

        Assert.Equal(expected, string.Join(' ', HostAreas.Complete(given, 120).Select(area => $"{area.Use.ToString()[0]}{area.Offset}-{area.Length}")));
    }

    [Fact]
    public void Compressed_clusters_that_several_tables_name_are_kept_once()
    {
        var uses = new ClusterUses(clusterBits: 16);
        foreach (int length in (int[])[512, 1024, 1024, 512])
        {
            uses.Add(new HostArea(4096, length, HostUse.Compressed));
        }

        Assert.Equal([new HostArea(4096, 1024, HostUse.Compressed)], uses.Areas());
    }

    [Fact]
    public async Task The_name_of_a_backing_file_hides_nothing_in_front_of_it()
    {
        byte[] file = Qcow(tables: 1, shift: 0);
        BinaryPrimitives.WriteUInt64BigEndian(file.AsSpan(8), (ulong)file.Length - 4);
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(16), 4);

        HostArea[] areas = Whole(await MapAsync(ImageFormat.Qcow, file), file.Length);

        Assert.Equal(48 + 8 + 512 + 4, areas.Where(area => area.Use == HostUse.Metadata).Sum(area => area.Length));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    public async Task Tables_of_qcow_that_overlap_are_followed_once(int shift)
    {
        byte[] file = Qcow(tables: 3, shift);

        HostMap map = await MapAsync(ImageFormat.Qcow, file);

        Assert.Equal(2, map.Defects.Count);
        Assert.Single(Whole(map, file.Length), area => area.Use == HostUse.Data);
    }

    // Clusters of 512 bytes, tables of 64 entries, the first of which has a place: header, table of tables, table, data.
    private static byte[] Qcow(int tables, int shift)
    {
        const int Table = 512;
        byte[] file = new byte[4096];
        "QFI"u8.CopyTo(file);
        file[3] = 0xfb;
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(4), 1);
        BinaryPrimitives.WriteUInt64BigEndian(file.AsSpan(24), (ulong)tables * 64 * 512);
        (file[32], file[33]) = (9, 6);
        BinaryPrimitives.WriteUInt64BigEndian(file.AsSpan(40), 48);
        for (int table = 0; table < tables; table++)
        {
            BinaryPrimitives.WriteUInt64BigEndian(file.AsSpan(48 + (8 * table)), (ulong)(Table + (shift * table)));
        }

        BinaryPrimitives.WriteUInt64BigEndian(file.AsSpan(Table), 2048);
        return file;
    }

    private static HostArea[] Whole(HostMap map, long length)
    {
        HostArea[] areas = [.. map.Areas];
        long at = 0;
        foreach (HostArea area in areas)
        {
            Assert.Equal(at, area.Offset);
            Assert.True(area.Length > 0);
            at = area.End;
        }

        Assert.Equal(length, at);
        return areas;
    }

    private static async Task<HostMap> MapAsync(ImageFormat format, byte[] file)
    {
        await using IBlockDevice image = await OpenAsync(format, new MemoryDevice(file, writable: false), writable: false);
        HostMap map = await ((IHostMapped)image).MapHostAsync(Token);
        return map with { Areas = [.. map.Areas] };
    }

    private static async Task<byte[]> MakeAsync(ImageFormat format, byte[] content)
    {
        var file = new MemoryDevice(0);
        var plan = new NewDisk { Size = content.Length, Format = format, VirtualDisk = format == ImageFormat.Qcow2 ? null : new VirtualDiskOptions { BlockSize = 1 << 20 } };
        await DiskBuilder.BuildAsync(file, null, plan, null, Token);
        await using (IBlockDevice image = await OpenAsync(format, file, writable: true))
        {
            await image.WriteAsync(0, content, Token);
        }

        return file.ToArray();
    }

    private static async Task<IBlockDevice> OpenAsync(ImageFormat format, IBlockDevice file, bool writable) => format switch
    {
        ImageFormat.Qcow2 => await Qcow2Image.OpenAsync(file, new Qcow2OpenOptions { Writable = writable }, Token),
        ImageFormat.Qcow => await QcowImage.OpenAsync(file, Token),
        ImageFormat.Vhdx => await VhdxImage.OpenAsync(file, new VhdxOpenOptions { Writable = writable }, Token),
        _ => await VhdImage.OpenAsync(file, new VhdOpenOptions { Writable = writable }, Token),
    };

    private static ulong BigEndian(byte[] file, int offset) => BinaryPrimitives.ReadUInt64BigEndian(file.AsSpan(offset));
}
