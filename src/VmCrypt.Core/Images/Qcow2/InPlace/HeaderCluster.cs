using System.Buffers.Binary;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2.InPlace;

/// <summary>The first cluster as bytes: what others wrote into it stays, whether it is known here or not.</summary>
internal static class HeaderCluster
{
    private const int PrefixBytes = 8;

    public static async ValueTask<byte[]> ReadAsync(IBlockDevice file, Qcow2Geometry geometry, CancellationToken cancellationToken)
    {
        byte[] cluster = new byte[geometry.ClusterSize];
        await file.ReadAsync(0, cluster, cancellationToken);
        return cluster;
    }

    /// <summary>The same header with another place of the LUKS header; null for a plain disk.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.NoRoomForHeader"/>.</exception>
    public static byte[] WithEncryption(ReadOnlySpan<byte> cluster, Qcow2EncryptionHeader? area)
    {
        var header = Qcow2Header.Parse(cluster);
        List<(uint Type, byte[] Data)> extensions = [.. Extensions(cluster, header).Where(one => one.Type != Qcow2HeaderExtensions.EncryptionHeaderType)];
        if (area is { } place)
        {
            byte[] pointer = new byte[Qcow2EncryptionHeader.Size];
            place.WriteTo(pointer);
            extensions.Insert(0, (Qcow2HeaderExtensions.EncryptionHeaderType, pointer));
        }

        byte[] name = cluster.Slice((int)header.BackingNameOffset, (int)header.BackingNameBytes).ToArray();
        // The names of features are a courtesy; small clusters may have no room for them.
        return Encode(cluster, header, area is not null, extensions, name)
            ?? Encode(cluster, header, area is not null, [.. extensions.Where(one => one.Type != Qcow2HeaderExtensions.FeatureNamesType)], name)
            ?? throw new RefusedException(ErrorIds.NoRoomForHeader, $"The header cluster of {cluster.Length} bytes has no room for the place of a LUKS header.");
    }

    private static byte[]? Encode(
        ReadOnlySpan<byte> before, Qcow2Header header, bool encrypted, List<(uint Type, byte[] Data)> extensions, byte[] name)
    {
        int end = (int)header.HeaderBytes + extensions.Sum(one => PrefixBytes + Padded(one.Data.Length)) + PrefixBytes;
        if (end + name.Length > before.Length)
        {
            return null;
        }

        byte[] cluster = new byte[before.Length];
        before[..(int)header.HeaderBytes].CopyTo(cluster);
        Qcow2Header changed = header with
        {
            CryptMethod = (uint)(encrypted ? Qcow2CryptMethod.Luks : Qcow2CryptMethod.None),
            BackingNameOffset = name.Length == 0 ? 0 : (ulong)end,
        };
        changed.WriteTo(cluster);
        var writer = new SpanWriter(cluster.AsSpan((int)header.HeaderBytes));
        foreach ((uint type, byte[] data) in extensions)
        {
            writer.UInt32BigEndian(type);
            writer.UInt32BigEndian((uint)data.Length);
            writer.Bytes(data);
            writer.Zeros(Padded(data.Length) - data.Length);
        }

        writer.Zeros(PrefixBytes);
        writer.Bytes(name);
        return cluster;
    }

    // Of a header that was validated: the list ends inside of it.
    private static List<(uint Type, byte[] Data)> Extensions(ReadOnlySpan<byte> cluster, Qcow2Header header)
    {
        var found = new List<(uint Type, byte[] Data)>();
        int end = header.BackingNameOffset == 0 ? cluster.Length : (int)header.BackingNameOffset;
        for (int at = (int)header.HeaderBytes; at + PrefixBytes <= end;)
        {
            uint type = BinaryPrimitives.ReadUInt32BigEndian(cluster[at..]);
            int length = (int)BinaryPrimitives.ReadUInt32BigEndian(cluster[(at + 4)..]);
            if (type == Qcow2HeaderExtensions.End)
            {
                break;
            }

            found.Add((type, cluster.Slice(at + PrefixBytes, length).ToArray()));
            at += PrefixBytes + Padded(length);
        }

        return found;
    }

    private static int Padded(int length) => (length + 7) & ~7;
}
