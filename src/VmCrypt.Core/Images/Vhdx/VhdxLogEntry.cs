using System.Buffers.Binary;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Images.Vhdx;

/// <summary>A change that the log holds: 4096 bytes, or a run of zeros if <see cref="Bytes"/> is null.</summary>
internal readonly record struct VhdxLogChange(ulong Offset, ulong Length, byte[]? Bytes);

/// <summary>One entry of the log, which counts as a whole or not at all ([MS-VHDX] 2.3.1).</summary>
/// <remarks>
/// Little-endian, a multiple of 4096 bytes: signature "loge" 0, checksum 4 (CRC-32C of the entry), entry_length 8, tail 12,
/// sequence_number 16 (64 bits), descriptor_count 24, reserved 28, log_guid 32, flushed_file_offset 48, last_file_offset 56 (64 bits);
/// from 64 on descriptors of 32 bytes: "desc" 0, trailing_bytes 4, leading_bytes 8, file_offset 16, sequence_number 24,
/// or "zero" 0, reserved 4, zero_length 8, file_offset 16, sequence_number 24; then for each "desc" a sector of 4096 bytes:
/// "data" 0, sequence_high 4, data 8 (4084 bytes), sequence_low 4092.
/// </remarks>
internal sealed record VhdxLogEntry
{
    /// <summary>Descriptors that fit into the first sector of an entry.</summary>
    public const int MaxChanges = (Sector - HeaderBytes) / DescriptorBytes;

    private const int Sector = VhdxLimits.Sector;
    private const int HeaderBytes = 64;
    private const int DescriptorBytes = 32;
    private const int ChecksumOffset = 4;
    private const int LeadingBytes = 8;
    private const int TrailingBytes = 4;

    private static ReadOnlySpan<byte> EntrySignature => "loge"u8;

    private static ReadOnlySpan<byte> DataDescriptor => "desc"u8;

    private static ReadOnlySpan<byte> ZeroDescriptor => "zero"u8;

    private static ReadOnlySpan<byte> DataSignature => "data"u8;

    public required int Length { get; init; }

    /// <summary>Where in the log the sequence starts that this entry ends.</summary>
    public required uint Tail { get; init; }

    public required ulong SequenceNumber { get; init; }

    public required Guid LogGuid { get; init; }

    /// <summary>The file is at least so long, and that much was on disk when the entry was written.</summary>
    public required ulong FlushedFileOffset { get; init; }

    /// <summary>All that the file's tables refer to ends before this.</summary>
    public required ulong LastFileOffset { get; init; }

    public required IReadOnlyList<VhdxLogChange> Changes { get; init; }

    /// <summary>The length that an entry at this place claims; null if there is none of that log.</summary>
    public static int? Claims(ReadOnlySpan<byte> start, Guid logGuid, int logBytes)
    {
        if (!start.StartsWith(EntrySignature) || new Guid(start.Slice(32, 16)) != logGuid)
        {
            return null;
        }

        uint length = BinaryPrimitives.ReadUInt32LittleEndian(start[8..]);
        return length > 0 && length % Sector == 0 && length <= logBytes ? (int)length : null;
    }

    /// <summary>The entry in these bytes; null unless all of it is sound.</summary>
    public static VhdxLogEntry? TryParse(ReadOnlySpan<byte> source)
    {
        if (Crc32C.WithZeroedField(source, ChecksumOffset) != BinaryPrimitives.ReadUInt32LittleEndian(source[ChecksumOffset..]))
        {
            return null;
        }

        var reader = new SpanReader(source[12..HeaderBytes]);
        uint tail = reader.UInt32LittleEndian();
        ulong sequence = reader.UInt64LittleEndian();
        uint count = reader.UInt32LittleEndian();
        reader.Skip(sizeof(uint));
        var logGuid = new Guid(reader.Bytes(16));
        return sequence > 0 && TryReadChanges(source, count, sequence) is { } changes
            ? new VhdxLogEntry
            {
                Length = source.Length,
                Tail = tail,
                SequenceNumber = sequence,
                LogGuid = logGuid,
                FlushedFileOffset = reader.UInt64LittleEndian(),
                LastFileOffset = reader.UInt64LittleEndian(),
                Changes = changes,
            }
            : null;
    }

    /// <summary>Bytes of an entry with so many changed sectors.</summary>
    public static int LengthOf(int changes) => (1 + changes) * Sector;

    /// <summary>The entry's bytes; at most <see cref="MaxChanges"/> changes, all of them with bytes.</summary>
    public byte[] Encode()
    {
        byte[] target = new byte[LengthOf(Changes.Count)];
        var writer = new SpanWriter(target);
        writer.Bytes(EntrySignature);
        writer.UInt32LittleEndian(0);
        writer.UInt32LittleEndian((uint)target.Length);
        writer.UInt32LittleEndian(Tail);
        writer.UInt64LittleEndian(SequenceNumber);
        writer.UInt32LittleEndian((uint)Changes.Count);
        writer.UInt32LittleEndian(0);
        LogGuid.TryWriteBytes(writer.Take(16));
        writer.UInt64LittleEndian(FlushedFileOffset);
        writer.UInt64LittleEndian(LastFileOffset);
        for (int i = 0; i < Changes.Count; i++)
        {
            ReadOnlySpan<byte> bytes = Changes[i].Bytes;
            writer.Bytes(DataDescriptor);
            writer.Bytes(bytes[^TrailingBytes..]);
            writer.Bytes(bytes[..LeadingBytes]);
            writer.UInt64LittleEndian(Changes[i].Offset);
            writer.UInt64LittleEndian(SequenceNumber);

            var data = new SpanWriter(target.AsSpan(Sector * (1 + i), Sector));
            data.Bytes(DataSignature);
            data.UInt32LittleEndian((uint)(SequenceNumber >> 32));
            data.Bytes(bytes[LeadingBytes..^TrailingBytes]);
            data.UInt32LittleEndian((uint)SequenceNumber);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(target.AsSpan(ChecksumOffset), Crc32C.Of(target));
        return target;
    }

    private static List<VhdxLogChange>? TryReadChanges(ReadOnlySpan<byte> source, uint count, ulong sequence)
    {
        long firstData = (HeaderBytes + ((long)count * DescriptorBytes) + Sector - 1) / Sector * Sector;
        if (firstData > source.Length)
        {
            return null;
        }

        var changes = new List<VhdxLogChange>((int)count);
        ReadOnlySpan<byte> data = source[(int)firstData..];
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> descriptor = source.Slice(HeaderBytes + (i * DescriptorBytes), DescriptorBytes);
            ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(descriptor[16..]);
            ulong length = BinaryPrimitives.ReadUInt64LittleEndian(descriptor[8..]);
            bool mine = offset % Sector == 0 && BinaryPrimitives.ReadUInt64LittleEndian(descriptor[24..]) == sequence;
            if (mine && descriptor.StartsWith(ZeroDescriptor) && length % Sector == 0)
            {
                changes.Add(new VhdxLogChange(offset, length, null));
            }
            else if (mine && descriptor.StartsWith(DataDescriptor) && TryReadSector(descriptor, data, sequence) is { } bytes)
            {
                changes.Add(new VhdxLogChange(offset, Sector, bytes));
                data = data[Sector..];
            }
            else
            {
                return null;
            }
        }

        return changes;
    }

    private static byte[]? TryReadSector(ReadOnlySpan<byte> descriptor, ReadOnlySpan<byte> data, ulong sequence)
    {
        if (data.Length < Sector || !data.StartsWith(DataSignature)
            || BinaryPrimitives.ReadUInt32LittleEndian(data[4..]) != (uint)(sequence >> 32)
            || BinaryPrimitives.ReadUInt32LittleEndian(data[(Sector - 4)..]) != (uint)sequence)
        {
            return null;
        }

        byte[] bytes = data[..Sector].ToArray();
        descriptor.Slice(8, LeadingBytes).CopyTo(bytes);
        descriptor.Slice(4, TrailingBytes).CopyTo(bytes.AsSpan(Sector - TrailingBytes));
        return bytes;
    }
}
