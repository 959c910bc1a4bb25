using System.Buffers.Binary;
using System.Text;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Images.Vhd;

/// <summary>Where the file says one of its parent's names.</summary>
/// <param name="Code">How: <see cref="VhdHeader.RelativePath"/>, <see cref="VhdHeader.AbsolutePath"/> or others that we do not follow.</param>
internal readonly record struct VhdLocator(uint Code, uint Space, uint Length, ulong Offset);

/// <summary>The header of a dynamic or differencing disk.</summary>
/// <remarks>
/// Big-endian, 1024 bytes: cookie "cxsparse" 0, data_offset 8 (64 bits, all ones), table_offset 16 (64 bits), header_version 24,
/// max_table_entries 28, block_size 32, checksum 36 (as the footer's), parent_unique_id 40 (16 bytes), parent_time_stamp 56, reserved 60,
/// parent_unicode_name 64 (512 bytes, UTF-16 big-endian), 8 locators of 24 bytes 576 {platform_code, platform_data_space,
/// platform_data_length, reserved, platform_data_offset (64 bits)}, reserved 768. What changes with the disk stands in the first sector.
/// </remarks>
internal sealed record VhdHeader
{
    public const int Size = 1024;

    public const uint KnownVersion = 0x0001_0000;

    public const int Locators = 8;

    /// <summary>"W2ru": from the file's folder, UTF-16 little-endian.</summary>
    public const uint RelativePath = 0x5732_7275;

    /// <summary>"W2ku": with the drive letter, UTF-16 little-endian.</summary>
    public const uint AbsolutePath = 0x5732_6B75;

    private const int ChecksumOffset = 36;
    private const int NameBytes = 512;
    private const int LocatorsOffset = 576;

    private static ReadOnlySpan<byte> Cookie => "cxsparse"u8;

    public required ulong TableOffset { get; init; }

    public uint Version { get; init; } = KnownVersion;

    public required uint TableEntries { get; init; }

    public required uint BlockSize { get; init; }

    public Guid ParentId { get; init; }

    public uint ParentTimeStamp { get; init; }

    /// <summary>The parent's file name; empty where there is none.</summary>
    public string ParentName { get; init; } = string.Empty;

    public IReadOnlyList<VhdLocator> ParentLocators { get; init; } = [];

    /// <summary>The header in these 1024 bytes; null where cookie or checksum say that there is none.</summary>
    public static VhdHeader? TryParse(ReadOnlySpan<byte> source)
    {
        if (!source.StartsWith(Cookie) || VhdChecksum.Of(source[..Size], ChecksumOffset) != BinaryPrimitives.ReadUInt32BigEndian(source[ChecksumOffset..]))
        {
            return null;
        }

        var reader = new SpanReader(source[16..LocatorsOffset]);
        ulong table = reader.UInt64BigEndian();
        uint version = reader.UInt32BigEndian();
        uint entries = reader.UInt32BigEndian();
        uint block = reader.UInt32BigEndian();
        reader.Skip(sizeof(uint));
        return new VhdHeader
        {
            TableOffset = table,
            Version = version,
            TableEntries = entries,
            BlockSize = block,
            ParentId = new Guid(reader.Bytes(16), bigEndian: true),
            ParentTimeStamp = reader.UInt32BigEndian(),
            ParentName = Encoding.BigEndianUnicode.GetString(reader.Bytes(4 + NameBytes)[4..]).TrimEnd('\0'),
            ParentLocators = ReadLocators(source[LocatorsOffset..]),
        };
    }

    public byte[] Encode()
    {
        byte[] target = new byte[Size];
        var writer = new SpanWriter(target);
        writer.Bytes(Cookie);
        writer.UInt64BigEndian(VhdLimits.NoOffset);
        writer.UInt64BigEndian(TableOffset);
        writer.UInt32BigEndian(Version);
        writer.UInt32BigEndian(TableEntries);
        writer.UInt32BigEndian(BlockSize);
        writer.UInt32BigEndian(0);
        ParentId.TryWriteBytes(writer.Take(16), bigEndian: true, out _);
        writer.UInt32BigEndian(ParentTimeStamp);
        writer.UInt32BigEndian(0);
        byte[] name = Encoding.BigEndianUnicode.GetBytes(ParentName);
        name.AsSpan(0, Math.Min(name.Length, NameBytes)).CopyTo(writer.Take(NameBytes));
        foreach (VhdLocator locator in ParentLocators)
        {
            writer.UInt32BigEndian(locator.Code);
            writer.UInt32BigEndian(locator.Space);
            writer.UInt32BigEndian(locator.Length);
            writer.UInt32BigEndian(0);
            writer.UInt64BigEndian(locator.Offset);
        }

        BinaryPrimitives.WriteUInt32BigEndian(target.AsSpan(ChecksumOffset), VhdChecksum.Of(target, ChecksumOffset));
        return target;
    }

    private static List<VhdLocator> ReadLocators(ReadOnlySpan<byte> source)
    {
        var reader = new SpanReader(source);
        var locators = new List<VhdLocator>();
        for (int i = 0; i < Locators; i++)
        {
            uint code = reader.UInt32BigEndian();
            uint space = reader.UInt32BigEndian();
            uint length = reader.UInt32BigEndian();
            reader.Skip(sizeof(uint));
            locators.Add(new VhdLocator(code, space, length, reader.UInt64BigEndian()));
        }

        return locators;
    }
}
