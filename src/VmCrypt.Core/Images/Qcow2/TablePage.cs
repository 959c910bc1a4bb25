using System.Buffers.Binary;

namespace VmCrypt.Core.Images.Qcow2;

internal enum TableKind
{
    L2,
    Refcounts,

    /// <summary>Of VHDX and VHD: where blocks lie.</summary>
    Blocks,

    /// <summary>Of VHDX and VHD: which sectors of a block are there.</summary>
    SectorBitmap,
}

/// <summary>A piece of an L2 table or refcount block in memory.</summary>
/// <remarks>Its bytes are read and changed under <see cref="Sync"/>; its other state belongs to <see cref="MetadataCache"/>.</remarks>
internal sealed class TablePage(long offset, TableKind kind, byte[] bytes)
{
    private byte[] _bytes = bytes;
    private bool _lent;

    public Lock Sync { get; } = new();

    public long Offset => offset;

    public TableKind Kind => kind;

    /// <summary>Completes when the bytes are there.</summary>
    public Task Loaded { get; set; } = Task.CompletedTask;

    /// <summary>Captured, and not yet written: the file still has older bytes.</summary>
    public bool IsInFlight { get; set; }

    /// <summary>Part of a table to which nothing on disk points yet.</summary>
    public bool IsFresh { get; set; }

    public LinkedListNode<TablePage>? Use { get; set; }

    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>The bytes, to be changed by the caller; a copy of its own if the old ones are lent out.</summary>
    public Span<byte> Change()
    {
        if (_lent)
        {
            _bytes = [.. _bytes];
            _lent = false;
        }

        return _bytes;
    }

    /// <summary>Lends the bytes as they are now; later changes go to a copy.</summary>
    public byte[] Lend()
    {
        _lent = true;
        return _bytes;
    }

    /// <summary>For loading: the array to read into.</summary>
    public Memory<byte> Target => _bytes;

    public ulong Entry(int at) => BinaryPrimitives.ReadUInt64BigEndian(_bytes.AsSpan(at));
}
