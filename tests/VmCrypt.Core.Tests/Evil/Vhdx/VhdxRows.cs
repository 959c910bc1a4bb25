using System.Text;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Tests.Evil.Vhdx;

/// <summary>Good VHDX files with one field changed, and what must come of each.</summary>
internal static class VhdxRows
{
    private const int MiB = 1 << 20;
    private const int FirstRegion = 16;
    private const int SecondRegion = 48;
    private const int FirstItem = EvilVhdx.Metadata + 32;
    private const int ItemBytes = 32;

    // Items in the order in which our builder writes them.
    private const int Parameters = EvilVhdx.Items;
    private const int DiskSize = EvilVhdx.Items + 8;
    private const int LogicalSector = EvilVhdx.Items + 32;
    private const int PhysicalSector = EvilVhdx.Items + 36;
    private const int Locator = EvilVhdx.Items + 40;

    // The bitmap of 4096 blocks of 1 MiB stands behind their entries.
    private const int BitmapEntry = EvilVhdx.Bat + (4096 * 8);

    /// <summary>What opening refuses; the log waits.</summary>
    public static Dictionary<string, (string ErrorId, Action<EvilVhdx> Change)> Opening { get; } = new(StringComparer.Ordinal)
    {
        ["identifier with one bit flipped"] = (ErrorIds.VhdxHeaderInvalid, file => file.Bytes[3] ^= 1),
        ["a file of 512 bytes"] = (ErrorIds.VhdxHeaderInvalid, file => file.Bytes = file.Bytes[..512]),
        ["both headers torn"] = (ErrorIds.VhdxHeaderInvalid, file =>
        {
            file.Bytes[EvilVhdx.Header1 + 4000] ^= 1;
            file.Bytes[EvilVhdx.Header2 + 4000] ^= 1;
        }),
        ["both headers empty"] = (ErrorIds.VhdxHeaderInvalid, file => file.Bytes.AsSpan(EvilVhdx.Header1, EvilVhdx.Regions - EvilVhdx.Header1).Clear()),
        ["two headers of one number that differ"] = (ErrorIds.VhdxHeaderInvalid, file =>
        {
            file.Header(8, at => file.Put64(at, 7));
            file.Bytes[EvilVhdx.Header1 + 16] ^= 1;
            file.Header(0, _ => { });
        }),
        ["version 0"] = (ErrorIds.VhdxVersionUnsupported, file => file.Header(66, at => file.Put16(at, 0))),
        ["version 2"] = (ErrorIds.VhdxVersionUnsupported, file => file.Header(66, at => file.Put16(at, 2))),
        ["log version 1"] = (ErrorIds.VhdxVersionUnsupported, file => file.Header(64, at => file.Put16(at, 1))),
        ["log of half a MiB"] = (ErrorIds.VhdxLogInvalid, file => file.Header(68, at => file.Put32(at, MiB / 2))),
        ["log at half a MiB"] = (ErrorIds.VhdxLogInvalid, file => file.Header(72, at => file.Put64(at, MiB / 2))),
        ["log over the headers"] = (ErrorIds.VhdxLogInvalid, file => file.Header(72, at => file.Put64(at, 0))),
        ["log at the end of all numbers"] = (ErrorIds.VhdxLogInvalid, file => file.Header(72, at => file.Put64(at, ulong.MaxValue - MiB + 1))),
        ["log that ends outside of the file"] = (ErrorIds.VhdxLogInvalid, file => file.Header(68, at => file.Put32(at, 15 * MiB))),
        ["log of 4 GiB that waits"] = (ErrorIds.VhdxLogInvalid, file => file.Header(68, at => file.Put32(at, uint.MaxValue - MiB + 1))),
        ["log over the metadata"] = (ErrorIds.VhdxRegionInvalid, file =>
        {
            file.Header(48, at => file.Bytes.AsSpan(at, 16).Clear());
            file.Header(72, at => file.Put64(at, 2 * MiB));
        }),

        ["a file that the log remembers longer"] = (ErrorIds.VhdxFileTruncated, file => file.Entry(48, at => file.Put64(at, (ulong)file.Bytes.Length + 1))),
        ["a log that makes the file huge"] = (ErrorIds.VhdxLogInvalid, file => file.Entry(56, at => file.Put64(at, 1UL << 60))),
        ["a log that changes a header"] = (ErrorIds.VhdxLogInvalid, file => file.Entry(64 + 16, at => file.Put64(at, EvilVhdx.Header1))),
        ["a log that changes itself"] = (ErrorIds.VhdxLogInvalid, file => file.Entry(64 + 16, at => file.Put64(at, EvilVhdx.Log))),
        ["a log that changes what is outside of the file"] = (ErrorIds.VhdxLogInvalid, file => file.Entry(64 + 16, at => file.Put64(at, 1UL << 40))),

        ["region signature"] = (ErrorIds.VhdxRegionTableInvalid, file => file.Region(0, at => file.Put32(at, 0))),
        ["both region tables torn"] = (ErrorIds.VhdxRegionTableInvalid, file =>
        {
            file.Bytes[EvilVhdx.Regions + 100] ^= 1;
            file.Bytes[EvilVhdx.Regions2 + 100] ^= 1;
        }),
        ["2048 regions"] = (ErrorIds.VhdxRegionTableInvalid, file => file.Region(8, at => file.Put32(at, 2048))),
        ["no metadata region"] = (ErrorIds.VhdxRegionTableInvalid, file => file.Region(8, at => file.Put32(at, 1))),
        ["two block allocation tables"] = (ErrorIds.VhdxRegionTableInvalid, file => file.Region(SecondRegion, at =>
            file.Bytes.AsSpan(EvilVhdx.Regions + FirstRegion, 16).CopyTo(file.Bytes.AsSpan(at)))),
        ["unknown region that is required"] = (ErrorIds.VhdxRegionUnsupported, file => file.Region(FirstRegion, at => file.Bytes[at] ^= 1)),
        ["region at half a MiB"] = (ErrorIds.VhdxRegionInvalid, file => file.Region(FirstRegion + 16, at => file.Put64(at, (3 * MiB) + 4096))),
        ["region over the headers"] = (ErrorIds.VhdxRegionInvalid, file => file.Region(FirstRegion + 16, at => file.Put64(at, 0))),
        ["region outside of the file"] = (ErrorIds.VhdxRegionInvalid, file => file.Region(FirstRegion + 16, at => file.Put64(at, 1UL << 40))),
        ["region without bytes"] = (ErrorIds.VhdxRegionInvalid, file => file.Region(FirstRegion + 24, at => file.Put32(at, 0))),
        ["region of all bytes"] = (ErrorIds.VhdxRegionInvalid, file => file.Region(FirstRegion + 24, at => file.Put32(at, uint.MaxValue))),
        ["regions that overlap"] = (ErrorIds.VhdxRegionInvalid, file => file.Region(FirstRegion + 16, at => file.Put64(at, 2 * MiB))),
        ["region over the log"] = (ErrorIds.VhdxRegionInvalid, file => file.Region(FirstRegion + 16, at => file.Put64(at, MiB))),

        ["metadata signature"] = (ErrorIds.VhdxMetadataInvalid, file => file.Bytes[EvilVhdx.Metadata] ^= 1),
        ["2048 metadata items"] = (ErrorIds.VhdxMetadataInvalid, file => file.Put16(EvilVhdx.Metadata + 10, 2048)),
        ["no metadata items"] = (ErrorIds.VhdxMetadataInvalid, file => file.Put16(EvilVhdx.Metadata + 10, 0)),
        ["item in the table"] = (ErrorIds.VhdxMetadataInvalid, file => file.Put32(FirstItem + 16, 32)),
        ["item outside of its region"] = (ErrorIds.VhdxMetadataInvalid, file => file.Put32(FirstItem + 16, MiB - 4)),
        ["item at the end of all numbers"] = (ErrorIds.VhdxMetadataInvalid, file => file.Put32(FirstItem + 16, uint.MaxValue)),
        ["item that is too long"] = (ErrorIds.VhdxMetadataInvalid, file => file.Put32(FirstItem + 20, uint.MaxValue)),
        ["item of the wrong length"] = (ErrorIds.VhdxMetadataInvalid, file => file.Put32(FirstItem + 20, 4)),
        ["item that is there twice"] = (ErrorIds.VhdxMetadataInvalid, file =>
            file.Bytes.AsSpan(FirstItem, 16).CopyTo(file.Bytes.AsSpan(FirstItem + ItemBytes))),
        ["item of a user in the place of the system's"] = (ErrorIds.VhdxMetadataInvalid, file => file.Put32(FirstItem + 24, 1)),
        ["unknown item that is required"] = (ErrorIds.VhdxMetadataUnsupported, file => file.Bytes[FirstItem] ^= 1),

        ["blocks of half a MiB"] = (ErrorIds.VhdxBlockSizeInvalid, file => file.Put32(Parameters, MiB / 2)),
        ["blocks of 3 MiB"] = (ErrorIds.VhdxBlockSizeInvalid, file => file.Put32(Parameters, 3 * MiB)),
        ["blocks of 512 MiB"] = (ErrorIds.VhdxBlockSizeInvalid, file => file.Put32(Parameters, 512 * MiB)),
        ["logical sectors of 1024 bytes"] = (ErrorIds.VhdxSectorSizeInvalid, file => file.Put32(LogicalSector, 1024)),
        ["logical sectors of 0 bytes"] = (ErrorIds.VhdxSectorSizeInvalid, file => file.Put32(LogicalSector, 0)),
        ["physical sectors of 8192 bytes"] = (ErrorIds.VhdxSectorSizeInvalid, file => file.Put32(PhysicalSector, 8192)),
        ["disk of half a sector"] = (ErrorIds.VhdxSizeInvalid, file => file.Put64(DiskSize, 256)),
        ["disk of more than 64 TiB"] = (ErrorIds.VhdxSizeInvalid, file => file.Put64(DiskSize, (64UL << 40) + 512)),
        ["disk at the end of all numbers"] = (ErrorIds.VhdxSizeInvalid, file => file.Put64(DiskSize, ulong.MaxValue - 511)),
        ["disk that the table is too short for"] = (ErrorIds.VhdxBatInvalid, file => file.Put64(DiskSize, 1UL << 40)),

        ["locator of another type"] = (ErrorIds.VhdxParentLocatorUnsupported, file => file.Bytes[Locator] ^= 1),
        ["65 locator entries"] = (ErrorIds.VhdxParentLocatorInvalid, file => file.Put16(Locator + 18, 65)),
        ["no locator entries"] = (ErrorIds.VhdxParentLocatorInvalid, file => file.Put16(Locator + 18, 0)),
        ["locator text outside of its item"] = (ErrorIds.VhdxParentLocatorInvalid, file => file.Put32(Locator + 24, uint.MaxValue)),
        ["locator text in the locator's header"] = (ErrorIds.VhdxParentLocatorInvalid, file => file.Put32(Locator + 24, 0)),
        ["locator text without characters"] = (ErrorIds.VhdxParentLocatorInvalid, file => file.Put16(Locator + 30, 0)),
        ["locator text of half a character"] = (ErrorIds.VhdxParentLocatorInvalid, file => file.Put16(Locator + 30, 7)),
        ["linkage that is no GUID"] = (ErrorIds.VhdxParentLocatorInvalid, file => file.Bytes[Locator + file.Get32(Locator + 24)] ^= 1),
        ["linkage of another name"] = (ErrorIds.VhdxParentLocatorInvalid, file => file.Bytes[Locator + file.Get32(Locator + 20)] ^= 1),
        ["a key that is there twice"] = (ErrorIds.VhdxParentLocatorInvalid, file => file.Put32(Locator + 32, file.Get32(Locator + 20), file.Get32(Locator + 28))),
    };

    /// <summary>What reading block 0, which is there in part, refuses; the log is empty.</summary>
    public static Dictionary<string, (string ErrorId, Action<EvilVhdx> Change)> Reading { get; } = new(StringComparer.Ordinal)
    {
        ["state 4"] = (ErrorIds.VhdxBatEntryInvalid, file => file.State(EvilVhdx.Bat, 4)),
        ["state 5"] = (ErrorIds.VhdxBatEntryInvalid, file => file.State(EvilVhdx.Bat, 5)),
        ["block over the headers"] = (ErrorIds.VhdxBatEntryInvalid, file => file.Place(EvilVhdx.Bat, 0)),
        ["block over the log"] = (ErrorIds.VhdxBatEntryInvalid, file => file.Place(EvilVhdx.Bat, 1)),
        ["block over the metadata"] = (ErrorIds.VhdxBatEntryInvalid, file => file.Place(EvilVhdx.Bat, 2)),
        ["block over the table"] = (ErrorIds.VhdxBatEntryInvalid, file => file.Place(EvilVhdx.Bat, 3)),
        ["block outside of the file"] = (ErrorIds.VhdxBatEntryInvalid, file => file.Place(EvilVhdx.Bat, 1000)),
        ["block at the end of all numbers"] = (ErrorIds.VhdxBatEntryInvalid, file => file.Place(EvilVhdx.Bat, (1UL << 44) - 1)),
        ["block in part without a bitmap"] = (ErrorIds.VhdxBatEntryInvalid, file => file.Put64(BitmapEntry, 0)),
        ["bitmap in part"] = (ErrorIds.VhdxBatEntryInvalid, file => file.State(BitmapEntry, 7)),
        ["bitmap over the headers"] = (ErrorIds.VhdxBatEntryInvalid, file => file.Place(BitmapEntry, 0)),
        ["bitmap outside of the file"] = (ErrorIds.VhdxBatEntryInvalid, file => file.Place(BitmapEntry, 1000)),
    };

    /// <summary>What is passed over: the file opens, with what a torn entry or copy leaves.</summary>
    public static Dictionary<string, (bool Replays, Action<EvilVhdx> Change)> Harmless { get; } = new(StringComparer.Ordinal)
    {
        ["nothing"] = (true, _ => { }),
        ["the first region table torn"] = (true, file => file.Bytes[EvilVhdx.Regions + 100] ^= 1),
        ["the creator's name"] = (true, file => Encoding.Unicode.GetBytes("somebody").CopyTo(file.Bytes, 8)),
        ["an entry with a bad checksum"] = (false, file => file.Bytes[EvilVhdx.Log + 4] ^= 1),
        ["an entry of another log"] = (false, file => file.Entry(32, at => file.Bytes[at] ^= 1)),
        ["an entry without number"] = (false, file => file.Entry(16, at => file.Put64(at, 0))),
        ["an entry whose sequence starts elsewhere"] = (false, file => file.Entry(12, at => file.Put32(at, 4096))),
        ["an entry of a whole log and more"] = (false, file => file.Put32(EvilVhdx.Log + 8, 2 * MiB)),
        ["an entry of half a sector"] = (false, file => file.Put32(EvilVhdx.Log + 8, 2048)),
        ["an entry with more descriptors than bytes"] = (false, file => file.Entry(24, at => file.Put32(at, uint.MaxValue))),
        ["a descriptor of another entry"] = (false, file => file.Entry(64 + 24, at => file.Put64(at, 99))),
        ["a descriptor without meaning"] = (false, file => file.Entry(64, at => file.Put32(at, 0))),
        ["a descriptor for half a sector"] = (false, file => file.Entry(64 + 16, at => file.Put64(at, EvilVhdx.Bat + 512))),
        ["data of another entry"] = (false, file => file.Entry(4096 + 4092, at => file.Put32(at, 99))),
        ["data without signature"] = (false, file => file.Entry(4096, at => file.Put32(at, 0))),
    };

    private static void State(this EvilVhdx file, int entry, ulong state) => file.Put64(entry, (file.Get64(entry) & ~7UL) | state);

    private static void Place(this EvilVhdx file, int entry, ulong mebibytes) => file.Put64(entry, (file.Get64(entry) & 7) | (mebibytes << 20));

    private static void Put32(this EvilVhdx file, int at, uint value, uint lengths)
    {
        file.Put32(at, value);
        file.Put32(at + 8, lengths);
    }
}
