using System.Security.Cryptography;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption.Live;

namespace VmCrypt.Core.Reencryption;

/// <summary>A zone in memory: its bytes, which of them are stored, and the record that protects them while they are rewritten.</summary>
internal sealed class ZoneBuffer(int capacity, int recordCapacity) : IDisposable
{
    private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(capacity, pinned: true);
    private readonly byte[] _record = new byte[recordCapacity];

    public PayloadZone Zone { get; private set; }

    /// <summary>Keeps the guest away from the zone, and from those before it that have nothing to do.</summary>
    public ZoneClaim Claim { get; set; } = null!;

    /// <summary>Runs of the zone, in order and without gaps.</summary>
    public IReadOnlyList<ZoneRun> Runs { get; private set; } = [];

    public Memory<byte> Bytes => _bytes.AsMemory(0, (int)Zone.Length);

    public int Capacity => capacity;

    /// <summary>Checksums of the old blocks; those of holes are zero.</summary>
    public Memory<byte> Record(int length) => _record.AsMemory(0, length);

    public void Begin(PayloadZone zone, IReadOnlyList<ZoneRun> runs)
    {
        Zone = zone;
        Runs = runs;
        _record.AsSpan().Clear();
    }

    public Memory<byte> Of(ZoneRun run) => _bytes.AsMemory((int)run.At, (int)run.Length);

    // It has held plain bytes.
    public void Dispose() => CryptographicOperations.ZeroMemory(_bytes);
}

/// <summary>A run of a zone, in bytes from its start.</summary>
/// <param name="IsHole">Nothing is stored there, and nothing is to be.</param>
internal readonly record struct ZoneRun(long At, long Length, bool IsHole)
{
    public long End => At + Length;
}
