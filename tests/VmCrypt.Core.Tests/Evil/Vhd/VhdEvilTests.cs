using System.Buffers.Binary;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhd;
using VmCrypt.Core.Tests.Images.Vhd;

namespace VmCrypt.Core.Tests.Evil.Vhd;

/// <summary>Good VHD files with one field changed, and what must come of each.</summary>
public sealed class VhdEvilTests
{
    private const int DiskBytes = 2 * VhdSample.Block;
    private const int Header = 512;
    private const int HeaderBytes = 1024;

    // Behind the header of a differencing disk: one sector with its parent's name, then the table at a multiple of 4096.
    private const int Locator = Header + 576;
    private const int Table = 4096;

    // One good file each serves all rows; each works on a copy.
    private static readonly Lazy<Task<byte[]>> s_dynamic = new(() => VhdSample.WithContentAsync(VhdSample.Differencing(DiskBytes), new byte[DiskBytes], new byte[DiskBytes]));
    private static readonly Lazy<Task<byte[]>> s_fixed = new(() => VhdSample.CreateAsync(VhdSample.Dynamic(DiskBytes) with { Preallocation = Preallocation.Metadata }));

    private static readonly Dictionary<string, (string ErrorId, Action<byte[]> Change)> s_opening = new(StringComparer.Ordinal)
    {
        ["both cookies"] = (ErrorIds.VhdFooterInvalid, file => Footers(file, at => file[at] ^= 1)),
        ["both checksums"] = (ErrorIds.VhdFooterInvalid, file =>
        {
            file[100] ^= 1;
            file[file.Length - 412] ^= 1;
        }),
        ["footers of two disks"] = (ErrorIds.VhdFooterInvalid, file => Footer(file, 0, at => file[at + 68] ^= 1)),
        ["footers of two types"] = (ErrorIds.VhdFooterInvalid, file => Footer(file, 0, at => Put32(file, at + 60, 2))),
        ["version 2"] = (ErrorIds.VhdVersionUnsupported, file => Footers(file, at => Put32(file, at + 12, 0x20000))),
        ["type none"] = (ErrorIds.VhdTypeUnsupported, file => Footers(file, at => Put32(file, at + 60, 0))),
        ["type at its maximum"] = (ErrorIds.VhdTypeUnsupported, file => Footers(file, at => Put32(file, at + 60, uint.MaxValue))),
        ["disk of half a sector"] = (ErrorIds.VhdSizeInvalid, file => Footers(file, at => Put64(file, at + 48, 256))),
        ["disk of more than 2040 GiB"] = (ErrorIds.VhdSizeInvalid, file => Footers(file, at => Put64(file, at + 48, (2040UL << 30) + 512))),
        ["disk at the end of all numbers"] = (ErrorIds.VhdSizeInvalid, file => Footers(file, at => Put64(file, at + 48, ulong.MaxValue - 511))),
        ["header in the footer"] = (ErrorIds.VhdHeaderInvalid, file => Footers(file, at => Put64(file, at + 16, 0))),
        ["header off its sector"] = (ErrorIds.VhdHeaderInvalid, file => Footers(file, at => Put64(file, at + 16, 513))),
        ["header outside of the file"] = (ErrorIds.VhdHeaderInvalid, file => Footers(file, at => Put64(file, at + 16, ulong.MaxValue - 511))),
        ["header cookie"] = (ErrorIds.VhdHeaderInvalid, file => Dynamic(file, () => file[Header] ^= 1)),
        ["header checksum"] = (ErrorIds.VhdHeaderInvalid, file => file[Header + 40] ^= 1),
        ["header version 2"] = (ErrorIds.VhdVersionUnsupported, file => Dynamic(file, () => Put32(file, Header + 24, 0x20000))),
        ["blocks of 3 sectors"] = (ErrorIds.VhdBlockSizeInvalid, file => Dynamic(file, () => Put32(file, Header + 32, 1536))),
        ["blocks of 256 bytes"] = (ErrorIds.VhdBlockSizeInvalid, file => Dynamic(file, () => Put32(file, Header + 32, 256))),
        ["blocks of 512 MiB"] = (ErrorIds.VhdBlockSizeInvalid, file => Dynamic(file, () => Put32(file, Header + 32, 512 << 20))),
        ["table too short for the disk"] = (ErrorIds.VhdTableInvalid, file => Dynamic(file, () => Put32(file, Header + 28, 1))),
        ["table of all numbers"] = (ErrorIds.VhdTableInvalid, file => Dynamic(file, () => Put32(file, Header + 28, uint.MaxValue))),
        ["table off its sector"] = (ErrorIds.VhdTableInvalid, file => Dynamic(file, () => Put64(file, Header + 16, Table + 4))),
        ["table in the footer"] = (ErrorIds.VhdTableInvalid, file => Dynamic(file, () => Put64(file, Header + 16, 0))),
        ["table outside of the file"] = (ErrorIds.VhdTableInvalid, file => Dynamic(file, () => Put64(file, Header + 16, 1UL << 40))),
        ["locator outside of the file"] = (ErrorIds.VhdParentLocatorInvalid, file => Dynamic(file, () => Put64(file, Locator + 16, 1UL << 40))),
        ["locator at the end of all numbers"] = (ErrorIds.VhdParentLocatorInvalid, file => Dynamic(file, () => Put64(file, Locator + 16, ulong.MaxValue))),
        ["locator of no bytes"] = (ErrorIds.VhdParentLocatorInvalid, file => Dynamic(file, () => Put32(file, Locator + 8, 0))),
        ["locator of half a character"] = (ErrorIds.VhdParentLocatorInvalid, file => Dynamic(file, () => Put32(file, Locator + 8, 7))),
        ["locator of all bytes"] = (ErrorIds.VhdParentLocatorInvalid, file => Dynamic(file, () => Put32(file, Locator + 8, uint.MaxValue - 1))),
        ["no name of a parent at all"] = (ErrorIds.VhdParentLocatorInvalid, file => Dynamic(file, () => file.AsSpan(Header + 64, 704).Clear())),
    };

    private static readonly Dictionary<string, uint> s_entries = new(StringComparer.Ordinal)
    {
        ["block over the footer"] = 0,
        ["block over the header"] = 1,
        ["block over the table"] = 7,
        ["block outside of the file"] = 1_000_000,
        ["block at the end of all numbers"] = uint.MaxValue - 1,
    };

    public static TheoryData<string> OpeningRows => [.. s_opening.Keys];

    public static TheoryData<string> EntryRows => [.. s_entries.Keys];

    [Theory]
    [MemberData(nameof(OpeningRows))]
    public async Task Refuses_to_open(string row)
    {
        byte[] file = [.. await s_dynamic.Value];
        s_opening[row].Change(file);

        var error = await Assert.ThrowsAnyAsync<VmCryptException>(() => OpenAsync(file));

        Assert.Equal(s_opening[row].ErrorId, error.ErrorId);
    }

    [Theory]
    [MemberData(nameof(EntryRows))]
    public async Task Refuses_to_read(string row)
    {
        byte[] file = [.. await s_dynamic.Value];
        Put32(file, Table, s_entries[row]);
        await using IVirtualDisk disk = await OpenAsync(file);

        var error = await Assert.ThrowsAnyAsync<VmCryptException>(async () => await disk.ReadAsync(0, new byte[512], VhdSample.Token));

        Assert.Equal(ErrorIds.VhdTableEntryInvalid, error.ErrorId);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-512)]
    public async Task One_good_footer_is_enough(int where)
    {
        byte[] file = [.. await s_dynamic.Value];
        file[where == 0 ? 10 : file.Length + where + 10] ^= 1;

        await using IVirtualDisk disk = await OpenAsync(file);

        Assert.Equal(DiskBytes, disk.Length);
    }

    [Fact]
    public async Task A_fixed_disk_is_not_longer_than_its_file_and_has_its_footer_at_the_end_alone()
    {
        byte[] longer = [.. await s_fixed.Value];
        Footer(longer, longer.Length - 512, at => Put64(longer, at + 48, DiskBytes + 512));
        Assert.Equal(ErrorIds.VhdSizeInvalid, (await Assert.ThrowsAsync<InvalidImageException>(() => OpenAsync(longer))).ErrorId);

        byte[] moved = [.. await s_fixed.Value];
        moved.AsSpan(moved.Length - 512).CopyTo(moved);
        moved.AsSpan(moved.Length - 512).Clear();
        Assert.Equal(ErrorIds.VhdFooterInvalid, (await Assert.ThrowsAsync<InvalidImageException>(() => OpenAsync(moved))).ErrorId);
    }

    [Fact]
    public async Task A_guest_cannot_make_its_fixed_disk_a_differencing_one()
    {
        byte[] file = [.. await s_fixed.Value];
        (await s_dynamic.Value).AsSpan(0, 65536).CopyTo(file);

        Assert.Equal(ErrorIds.VhdFooterInvalid, (await Assert.ThrowsAsync<InvalidImageException>(() => OpenAsync(file))).ErrorId);
    }

    [Fact]
    public async Task A_disk_of_a_suspended_machine_is_only_read()
    {
        byte[] file = [.. await s_dynamic.Value];
        Footers(file, at => file[at + 84] = 1);

        await using (IVirtualDisk disk = await OpenAsync(file))
        {
            await disk.ReadAsync(0, new byte[512], VhdSample.Token);
        }

        var error = await Assert.ThrowsAsync<RefusedException>(() => VhdSample.OpenAsync(new MemoryDevice(file), VhdSample.Writable, []));
        Assert.Equal(ErrorIds.VhdInSavedState, error.ErrorId);
    }

    private static Task<IVirtualDisk> OpenAsync(byte[] file) => VhdSample.OpenAsync(new MemoryDevice(file, writable: false), parent: new byte[DiskBytes]);

    private static void Footers(byte[] file, Action<int> change)
    {
        Footer(file, 0, change);
        Footer(file, file.Length - 512, change);
    }

    private static void Footer(byte[] file, int at, Action<int> change)
    {
        change(at);
        Put32(file, at + 64, VhdChecksum.Of(file.AsSpan(at, 512), 64));
    }

    private static void Dynamic(byte[] file, Action change)
    {
        change();
        Put32(file, Header + 36, VhdChecksum.Of(file.AsSpan(Header, HeaderBytes), 36));
    }

    private static void Put32(byte[] file, int at, uint value) => BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(at), value);

    private static void Put64(byte[] file, int at, ulong value) => BinaryPrimitives.WriteUInt64BigEndian(file.AsSpan(at), value);
}
