using System.Buffers.Binary;
using System.Text;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Vhdx;

/// <summary>Which file is the parent of a differencing disk, and how it is recognised ([MS-VHDX] 2.6.2.6).</summary>
/// <remarks>
/// Little-endian: locator_type 0, reserved 16, key_value_count 18 (16 bits); from 20 on entries of 12 bytes: key_offset 0,
/// value_offset 4, key_length 8 (16 bits), value_length 10 (16 bits). Offsets count from the item's start; texts are UTF-16.
/// </remarks>
/// <param name="Linkage">The parent's data_write_guid at the time.</param>
/// <param name="RelativePath">From this file's folder, with backslashes; null where there is none.</param>
/// <param name="AbsolutePath">With the drive letter, mostly behind <c>\\?\</c>; null where there is none.</param>
internal sealed record VhdxParentLocator(Guid Linkage, string? RelativePath, string? AbsolutePath)
{
    private const int HeaderBytes = 20;
    private const int EntryBytes = 12;
    private const int MaxEntries = 64;

    private const string LinkageKey = "parent_linkage";
    private const string SecondLinkageKey = "parent_linkage2";
    private const string RelativePathKey = "relative_path";
    private const string VolumePathKey = "volume_path";
    private const string AbsolutePathKey = "absolute_win32_path";

    private static readonly Guid s_vhdx = new("B04AEFB7-D19E-4A81-B789-25B8E9445913");

    /// <summary>A second identity under which the parent may go, while it is being merged.</summary>
    public Guid? SecondLinkage { get; init; }

    /// <summary>Through a volume's GUID, which only Windows can follow.</summary>
    public string? VolumePath { get; init; }

    public bool Fits(Guid dataWriteGuid) => dataWriteGuid == Linkage || dataWriteGuid == SecondLinkage;

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.VhdxParentLocatorInvalid"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.VhdxParentLocatorUnsupported"/>.</exception>
    public static VhdxParentLocator Parse(ReadOnlySpan<byte> item)
    {
        if (item.Length < HeaderBytes)
        {
            throw Invalid($"The parent locator has {item.Length} bytes; its header alone has {HeaderBytes}.");
        }

        var type = new Guid(item[..16]);
        if (type != s_vhdx)
        {
            throw new UnsupportedFeatureException(ErrorIds.VhdxParentLocatorUnsupported,
                $"The parent locator is of the type {type}; only {s_vhdx} (a VHDX file) is supported.");
        }

        Dictionary<string, string> values = ReadValues(item);
        return new VhdxParentLocator(
            GuidOf(values, LinkageKey) ?? throw Invalid($"The parent locator has no '{LinkageKey}'."),
            values.GetValueOrDefault(RelativePathKey),
            values.GetValueOrDefault(AbsolutePathKey))
        {
            SecondLinkage = GuidOf(values, SecondLinkageKey),
            VolumePath = values.GetValueOrDefault(VolumePathKey),
        };
    }

    public byte[] Encode()
    {
        List<(string Key, string? Value)> all =
        [
            (LinkageKey, Linkage.ToString("B")),
            (SecondLinkageKey, SecondLinkage?.ToString("B")),
            (RelativePathKey, RelativePath),
            (VolumePathKey, VolumePath),
            (AbsolutePathKey, AbsolutePath),
        ];
        (byte[] Key, byte[] Value)[] pairs = [.. all.Where(pair => pair.Value is not null)
            .Select(pair => (Encoding.Unicode.GetBytes(pair.Key), Encoding.Unicode.GetBytes(pair.Value!)))];
        int offset = HeaderBytes + (EntryBytes * pairs.Length);
        byte[] target = new byte[offset + pairs.Sum(pair => pair.Key.Length + pair.Value.Length)];
        var writer = new SpanWriter(target);
        s_vhdx.TryWriteBytes(writer.Take(16));
        writer.UInt16LittleEndian(0);
        writer.UInt16LittleEndian((ushort)pairs.Length);
        foreach ((byte[] key, byte[] value) in pairs)
        {
            writer.UInt32LittleEndian((uint)offset);
            writer.UInt32LittleEndian((uint)(offset + key.Length));
            writer.UInt16LittleEndian(checked((ushort)key.Length));
            writer.UInt16LittleEndian(checked((ushort)value.Length));
            key.CopyTo(target, offset);
            value.CopyTo(target, offset + key.Length);
            offset += key.Length + value.Length;
        }

        return target;
    }

    private static Dictionary<string, string> ReadValues(ReadOnlySpan<byte> item)
    {
        int count = BinaryPrimitives.ReadUInt16LittleEndian(item[18..]);
        if (count > MaxEntries || HeaderBytes + (EntryBytes * count) > item.Length)
        {
            throw Invalid($"The parent locator has {count} entries; its {item.Length} bytes hold fewer, and {MaxEntries} are possible.");
        }

        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        for (int i = 0; i < count; i++)
        {
            var reader = new SpanReader(item.Slice(HeaderBytes + (EntryBytes * i), EntryBytes));
            uint keyOffset = reader.UInt32LittleEndian();
            uint valueOffset = reader.UInt32LittleEndian();
            string key = Text(item, keyOffset, reader.UInt16LittleEndian());
            if (!values.TryAdd(key, Text(item, valueOffset, reader.UInt16LittleEndian())))
            {
                throw Invalid($"The parent locator has the key '{key}' twice.");
            }
        }

        return values;
    }

    private static string Text(ReadOnlySpan<byte> item, uint offset, int length)
    {
        if (length == 0 || length % sizeof(char) != 0 || offset < HeaderBytes || offset > item.Length - length)
        {
            throw Invalid($"A text of the parent locator has {length} bytes at {offset}; it must lie in the item of {item.Length} bytes.");
        }

        return Encoding.Unicode.GetString(item.Slice((int)offset, length));
    }

    private static Guid? GuidOf(Dictionary<string, string> values, string key) =>
        !values.TryGetValue(key, out string? text) ? null
        : Guid.TryParseExact(text, "B", out Guid id) ? id
        : throw Invalid($"'{key}' of the parent locator is '{text}', which is no GUID in braces.");

    private static InvalidImageException Invalid(string message) => new(ErrorIds.VhdxParentLocatorInvalid, message);
}
