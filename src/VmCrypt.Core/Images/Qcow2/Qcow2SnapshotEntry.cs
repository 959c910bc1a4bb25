using System.Text;
using VmCrypt.Core.Buffers;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>One entry of the snapshot table as it stands on disk.</summary>
/// <remarks>
/// L1 offset 0 (64 bits), L1 entries 8, id length 12 (16 bits), name length 14 (16 bits), seconds 16, nanoseconds 20,
/// guest clock 24 (64 bits, ns), VM state bytes 32, extra data length 36, extra data 40, id, name, padding to a multiple of 8.
/// Extra data: VM state bytes 0 (64 bits, replaces the field above), disk size 8 (64 bits), icount 16.
/// </remarks>
internal readonly record struct Qcow2SnapshotEntry
{
    public const int FixedSize = 40;

    private const int ExtraUpToVmState = 8;
    private const int ExtraUpToDiskSize = 16;

    public ulong L1Offset { get; private init; }

    public uint L1Entries { get; private init; }

    public ushort IdBytes { get; private init; }

    public ushort NameBytes { get; private init; }

    public uint Seconds { get; private init; }

    public uint Nanoseconds { get; private init; }

    public ulong GuestClockNanoseconds { get; private init; }

    public ulong VmStateBytes { get; private init; }

    public uint ExtraBytes { get; private init; }

    /// <summary>Null in old version 2 images: the disk's own size counts.</summary>
    public ulong? DiskSize { get; private init; }

    public string Id { get; private init; }

    public string Name { get; private init; }

    /// <summary>The whole entry without its padding.</summary>
    public int UnpaddedSize => FixedSize + (int)ExtraBytes + IdBytes + NameBytes;

    /// <summary>The whole entry with its padding.</summary>
    public int Size => (UnpaddedSize + 7) & ~7;

    /// <summary>Reads the fixed part, from which <see cref="Size"/> follows.</summary>
    public static Qcow2SnapshotEntry ParseFixed(ReadOnlySpan<byte> source)
    {
        var reader = new SpanReader(source);
        return new Qcow2SnapshotEntry
        {
            L1Offset = reader.UInt64BigEndian(),
            L1Entries = reader.UInt32BigEndian(),
            IdBytes = reader.UInt16BigEndian(),
            NameBytes = reader.UInt16BigEndian(),
            Seconds = reader.UInt32BigEndian(),
            Nanoseconds = reader.UInt32BigEndian(),
            GuestClockNanoseconds = reader.UInt64BigEndian(),
            VmStateBytes = reader.UInt32BigEndian(),
            ExtraBytes = reader.UInt32BigEndian(),
            Id = string.Empty,
            Name = string.Empty,
        };
    }

    /// <summary>Adds what follows the fixed part; <paramref name="source"/> is the entry without padding.</summary>
    public Qcow2SnapshotEntry WithVariable(ReadOnlySpan<byte> source)
    {
        var reader = new SpanReader(source[FixedSize..]);
        var extra = new SpanReader(reader.Bytes((int)ExtraBytes));
        return this with
        {
            VmStateBytes = ExtraBytes >= ExtraUpToVmState ? extra.UInt64BigEndian() : VmStateBytes,
            DiskSize = ExtraBytes >= ExtraUpToDiskSize ? extra.UInt64BigEndian() : null,
            Id = Encoding.UTF8.GetString(reader.Bytes(IdBytes)),
            Name = Encoding.UTF8.GetString(reader.Bytes(NameBytes)),
        };
    }
}
