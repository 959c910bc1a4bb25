using System.Runtime.InteropServices;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Crypto.MemoryHard;

/// <summary>The blocks of one Argon2 computation in native memory: huge pages where the system gives them, wiped when disposed.</summary>
internal sealed unsafe partial class BlockMemory : IDisposable
{
    public const int BlockSize = 1024;
    public const int BlockWords = BlockSize / sizeof(ulong);

    private const int HugePage = 2 * 1024 * 1024;
    private const int AdviseHugePages = 14;
    private const int AdviseNoDump = 16;

    private readonly nuint _size;
    private ulong* _blocks;

    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.Argon2MemoryMissing"/>.</exception>
    public BlockMemory(long blocks)
    {
        _size = checked((nuint)(blocks * BlockSize));
        long most = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (blocks * BlockSize > most)
        {
            throw Missing($"this machine has {most >> 20}", null);
        }

        try
        {
            _blocks = (ulong*)NativeMemory.AlignedAlloc(_size, HugePage);
        }
        catch (OutOfMemoryException refused)
        {
            throw Missing("the system does not give it now", refused);
        }

        Advise();
    }

    public long Blocks => (long)_size / BlockSize;

    public ulong* this[long block] => _blocks + (block * BlockWords);

    public Span<byte> Bytes(long block) => new(this[block], BlockSize);

    public void Dispose()
    {
        if (_blocks is not null)
        {
            Wipe();
            NativeMemory.AlignedFree(_blocks);
            _blocks = null;
        }
    }

    // On several cores, because a gigabyte takes a noticeable part of a second on one.
    private void Wipe()
    {
        const long Piece = 16 * 1024 * 1024;
        long size = (long)_size;
        Parallel.For(0, (size + Piece - 1) / Piece, piece =>
            NativeMemory.Clear((byte*)_blocks + (piece * Piece), (nuint)Math.Min(Piece, size - (piece * Piece))));
    }

    private void Advise()
    {
        if (OperatingSystem.IsLinux() && _size >= HugePage)
        {
            // Advice only: whatever comes of it, the memory works.
            _ = MAdvise(_blocks, _size, AdviseHugePages);
            _ = MAdvise(_blocks, _size, AdviseNoDump);
        }
    }

    private UnsupportedFeatureException Missing(string reason, Exception? inner) =>
        new(ErrorIds.Argon2MemoryMissing, $"Argon2 needs {_size >> 20} MiB of memory here, but {reason}.", inner);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int MAdvise(void* address, nuint length, int advice);
}
