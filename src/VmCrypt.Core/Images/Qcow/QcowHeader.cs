using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Images.Qcow;

/// <summary>The header of a version 1 image as it stands on disk.</summary>
/// <remarks>
/// Big-endian, 48 bytes: magic 0, version 4, backing_file_offset 8 (64 bits), backing_file_size 16, mtime 20, size 24 (64 bits),
/// cluster_bits 32 (8 bits), l2_bits 33 (8 bits), padding 34, crypt_method 36, l1_table_offset 40 (64 bits).
/// </remarks>
internal readonly record struct QcowHeader
{
    public const int Size = 48;

    public const uint Version = 1;

    public ulong BackingNameOffset { get; private init; }

    public uint BackingNameBytes { get; private init; }

    public ulong VirtualSize { get; private init; }

    public byte ClusterBits { get; private init; }

    public byte L2Bits { get; private init; }

    public uint CryptMethod { get; private init; }

    public ulong L1Offset { get; private init; }

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.QcowHeaderInvalid"/>.</exception>
    public static QcowHeader Parse(ReadOnlySpan<byte> source)
    {
        if (source.Length < Size)
        {
            throw new InvalidImageException(ErrorIds.QcowHeaderInvalid, $"The file has {source.Length} bytes; a qcow header has {Size}.");
        }

        var reader = new SpanReader(source);
        uint magic = reader.UInt32BigEndian();
        uint version = reader.UInt32BigEndian();
        if (magic != Qcow2Header.Magic || version != Version)
        {
            throw new InvalidImageException(ErrorIds.QcowHeaderInvalid,
                $"The file starts with magic 0x{magic:x8} and version {version}; a qcow image has 0x{Qcow2Header.Magic:x8} and {Version}.");
        }

        ulong backingOffset = reader.UInt64BigEndian();
        uint backingBytes = reader.UInt32BigEndian();
        reader.Skip(sizeof(uint));
        ulong size = reader.UInt64BigEndian();
        byte clusterBits = reader.Byte();
        byte l2Bits = reader.Byte();
        reader.Skip(sizeof(ushort));
        return new QcowHeader
        {
            BackingNameOffset = backingOffset,
            BackingNameBytes = backingBytes,
            VirtualSize = size,
            ClusterBits = clusterBits,
            L2Bits = l2Bits,
            CryptMethod = reader.UInt32BigEndian(),
            L1Offset = reader.UInt64BigEndian(),
        };
    }
}
