using System.Buffers.Binary;
using VmCrypt.Core.Block;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>A first-level table, held in memory as a whole: an L1 table (of L2 tables) or the refcount table (of refcount blocks).</summary>
/// <remarks>Read by anybody at any time; changed only under the metadata lock.</remarks>
internal sealed class PointerTable
{
    private const int EntriesPerSector = 512 / sizeof(ulong);

    private readonly SortedSet<int> _dirtySectors = [];
    private ulong[] _entries;
    private bool _moved;

    private PointerTable(long offset, ulong[] entries)
    {
        Offset = offset;
        _entries = entries;
    }

    public static async ValueTask<PointerTable> ReadAsync(IBlockDevice file, long offset, int count, CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[count * sizeof(ulong)];
        await file.ReadAsync(count == 0 ? 0 : offset, bytes, cancellationToken);
        ulong[] entries = new ulong[count];
        for (int i = 0; i < count; i++)
        {
            entries[i] = BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(i * sizeof(ulong)));
        }

        return new PointerTable(offset, entries);
    }

    /// <summary>Where the table lies in the file.</summary>
    public long Offset { get; private set; }

    public int Count => Volatile.Read(ref _entries).Length;

    public ulong this[long index] => Volatile.Read(ref Volatile.Read(ref _entries)[index]);

    public void Set(long index, ulong value)
    {
        Volatile.Write(ref _entries[index], value);
        _dirtySectors.Add((int)(index / EntriesPerSector));
    }

    /// <summary>Gives the table another place and size; entries beyond the old size are 0.</summary>
    public void Move(long offset, int count)
    {
        ulong[] entries = new ulong[count];
        Array.Copy(_entries, entries, Math.Min(count, _entries.Length));
        Volatile.Write(ref _entries, entries);
        Offset = offset;
        _moved = true;
    }

    /// <summary>Takes what has changed since the last capture.</summary>
    public Change Capture()
    {
        var change = new Change(_moved, [.. _dirtySectors], [.. DirtyWrites()]);
        _dirtySectors.Clear();
        _moved = false;
        return change;
    }

    /// <summary>The change did not reach the disk; it is to be written with the next one.</summary>
    public void Restore(Change change)
    {
        _moved |= change.Moved;
        _dirtySectors.UnionWith(change.Sectors);
    }

    /// <param name="Moved">The table is written whole at a place to which nothing points yet.</param>
    internal sealed record Change(bool Moved, int[] Sectors, MetadataWrite[] Writes);

    private IEnumerable<MetadataWrite> DirtyWrites()
    {
        if (_moved)
        {
            yield return Encode(0, _entries.Length);
            yield break;
        }

        foreach (int sector in _dirtySectors)
        {
            int first = sector * EntriesPerSector;
            yield return Encode(first, Math.Min(EntriesPerSector, _entries.Length - first));
        }
    }

    private MetadataWrite Encode(int first, int count)
    {
        byte[] bytes = new byte[count * sizeof(ulong)];
        for (int i = 0; i < count; i++)
        {
            BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(i * sizeof(ulong)), _entries[first + i]);
        }

        return new MetadataWrite(Offset + ((long)first * sizeof(ulong)), bytes);
    }
}
