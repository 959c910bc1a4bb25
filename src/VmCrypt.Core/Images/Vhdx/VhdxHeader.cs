using System.Buffers.Binary;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Images.Vhdx;

/// <summary>One of the two headers as it stands on disk ([MS-VHDX] 2.2.2).</summary>
/// <remarks>
/// Little-endian, 4096 bytes: signature "head" 0, checksum 4 (CRC-32C of all 4096 bytes), sequence_number 8 (64 bits),
/// file_write_guid 16, data_write_guid 32, log_guid 48, log_version 64 (16 bits), version 66 (16 bits), log_length 68,
/// log_offset 72 (64 bits), reserved 80.
/// </remarks>
internal readonly record struct VhdxHeader
{
    public const int Size = 4096;

    /// <summary>The file identifier: "vhdxfile" and the name of who made the file, in UTF-16.</summary>
    public const int IdentifierBytes = 8 + 512;

    public const ushort KnownVersion = 1;

    public const ushort KnownLogVersion = 0;

    private const int ChecksumOffset = 4;
    private const int UsedBytes = 80;

    public static ReadOnlySpan<byte> FileSignature => "vhdxfile"u8;

    private static ReadOnlySpan<byte> Signature => "head"u8;

    public required ulong SequenceNumber { get; init; }

    public required Guid FileWriteGuid { get; init; }

    public required Guid DataWriteGuid { get; init; }

    /// <summary>Zero where the log is empty.</summary>
    public Guid LogGuid { get; init; }

    public ushort LogVersion { get; init; }

    public required ushort Version { get; init; }

    public required uint LogBytes { get; init; }

    public required ulong LogOffset { get; init; }

    /// <summary>The header in these 4096 bytes; null where signature or checksum say that there is none.</summary>
    public static VhdxHeader? TryParse(ReadOnlySpan<byte> source)
    {
        if (!source.StartsWith(Signature)
            || Crc32C.WithZeroedField(source, ChecksumOffset) != BinaryPrimitives.ReadUInt32LittleEndian(source[ChecksumOffset..]))
        {
            return null;
        }

        var reader = new SpanReader(source[8..UsedBytes]);
        return new VhdxHeader
        {
            SequenceNumber = reader.UInt64LittleEndian(),
            FileWriteGuid = new Guid(reader.Bytes(16)),
            DataWriteGuid = new Guid(reader.Bytes(16)),
            LogGuid = new Guid(reader.Bytes(16)),
            LogVersion = reader.UInt16LittleEndian(),
            Version = reader.UInt16LittleEndian(),
            LogBytes = reader.UInt32LittleEndian(),
            LogOffset = reader.UInt64LittleEndian(),
        };
    }

    public byte[] Encode()
    {
        byte[] target = new byte[Size];
        var writer = new SpanWriter(target);
        writer.Bytes(Signature);
        writer.UInt32LittleEndian(0);
        writer.UInt64LittleEndian(SequenceNumber);
        FileWriteGuid.TryWriteBytes(writer.Take(16));
        DataWriteGuid.TryWriteBytes(writer.Take(16));
        LogGuid.TryWriteBytes(writer.Take(16));
        writer.UInt16LittleEndian(LogVersion);
        writer.UInt16LittleEndian(Version);
        writer.UInt32LittleEndian(LogBytes);
        writer.UInt64LittleEndian(LogOffset);
        BinaryPrimitives.WriteUInt32LittleEndian(target.AsSpan(ChecksumOffset), Crc32C.Of(target));
        return target;
    }
}
