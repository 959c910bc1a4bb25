using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Images.Blocks;

/// <summary>Everything that only a writer needs; comes to life with the first change.</summary>
internal sealed class BlockEngine : IDisposable
{
    public BlockEngine(BlockTable table, BackingLayer backing)
    {
        var blocks = new GuestRangeLock();
        Flusher = new BlockFlusher(table);
        Writer = new BlockWriter(table, backing, Flusher, blocks);
        Eraser = new BlockEraser(table, backing, Writer, Flusher, blocks);
    }

    public BlockFlusher Flusher { get; }

    public BlockWriter Writer { get; }

    public BlockEraser Eraser { get; }

    public void Dispose() => Flusher.Dispose();
}
