using VmCrypt.Core.Block;

namespace VmCrypt.Core.Tests.Support;

/// <summary>Everything a disk can hold after a crash, worked out from its first content and the recorded effects.</summary>
/// <remarks>
/// <see cref="After"/>: the process died after so many effects, the kernel lived on: all of them are there, in order.
/// <see cref="AfterPowerCut"/>: the power went: what was flushed is there; of the rest each sector is there or is not, in any order.
/// Where several devices share one <see cref="EffectLog"/>, each has its history; a crash point then counts the effects of all.
/// </remarks>
/// <param name="before">The content before the first effect; not changed.</param>
/// <param name="effects">What was recorded.</param>
/// <param name="device">Whose history this is; null if the effects are those of one device.</param>
internal sealed class DiskHistory(byte[] before, IReadOnlyList<Effect> effects, IBlockDevice? device = null)
{
    private const int Sector = 512;

    /// <summary>Records <paramref name="change"/> on a copy of <paramref name="before"/>; the device is disposed by the change or here.</summary>
    public static async Task<DiskHistory> RecordAsync(byte[] before, Func<IBlockDevice, Task> change)
    {
        await using var device = new RecordingDevice(new MemoryDevice([.. before]));
        await change(device);
        return new DiskHistory([.. before], device.Effects);
    }

    /// <summary>Effects recorded: crash points are 0 (nothing happened) to this number (all did).</summary>
    public int Count => effects.Count;

    public IReadOnlyList<Effect> Effects => effects;

    /// <summary>The disk after the first <paramref name="count"/> effects, as a device of its own to do with as one likes.</summary>
    public MemoryDevice After(int count) => new(Replay(count));

    /// <summary>The disk when the power fails after <paramref name="count"/> effects; the seed chooses what the cache still held.</summary>
    public MemoryDevice AfterPowerCut(int count, int seed)
    {
        int durable = count;
        while (durable > 0 && !(effects[durable - 1] is FlushEffect && IsMine(effects[durable - 1])))
        {
            durable--;
        }

        var random = new Random((seed * 1_000_003) + count);
        byte[] disk = Replay(durable);
        foreach (Effect effect in effects.Skip(durable).Take(count - durable))
        {
            disk = Luck(random) switch
            {
                Fate.Kept => Apply(disk, effect),
                Fate.Torn => Tear(disk, Apply([.. disk], effect), random),
                _ => disk,
            };
        }

        return new MemoryDevice(disk);
    }

    /// <summary>What every crash point leaves: killed, and after power cuts.</summary>
    public IEnumerable<MemoryDevice> Crashes(int seeds) => Crashes(Enumerable.Range(0, Count + 1), seeds);

    /// <summary>The same, where effects in between are all alike, such as passes that erase: only the first and the last points.</summary>
    public IEnumerable<MemoryDevice> Crashes(int first, int last, int seeds) =>
        Crashes(Enumerable.Range(0, Count + 1).Where(count => count <= first || count > Count - last), seeds);

    private IEnumerable<MemoryDevice> Crashes(IEnumerable<int> counts, int seeds)
    {
        foreach (int count in counts)
        {
            yield return After(count);
            for (int seed = 0; seed < seeds; seed++)
            {
                yield return AfterPowerCut(count, seed);
            }
        }
    }

    private enum Fate
    {
        Kept,
        Dropped,
        Torn,
    }

    private static Fate Luck(Random random) => (Fate)random.Next(3);

    private bool IsMine(Effect effect) => device is null || ReferenceEquals(effect.Device, device);

    private byte[] Replay(int count) => effects.Take(count).Aggregate((byte[])[.. before], Apply);

    private byte[] Apply(byte[] disk, Effect effect)
    {
        switch (effect)
        {
            case var other when !IsMine(other):
                break;
            case WriteEffect write:
                Span<byte> target = Clip(disk, write.Offset, write.Bytes.Length);
                write.Bytes.AsSpan(0, target.Length).CopyTo(target);
                break;
            case ZeroEffect zero:
                Clip(disk, zero.Offset, zero.Count).Clear();
                break;
            case TrimEffect trim:
                Clip(disk, trim.Offset, trim.Count).Clear();
                break;
            case SetLengthEffect resize:
                Array.Resize(ref disk, (int)resize.Length);
                break;
        }

        return disk;
    }

    // When a power cut has undone a growth, a later write beyond the old end is not to be seen.
    private static Span<byte> Clip(byte[] disk, long offset, long count)
    {
        int start = (int)Math.Min(offset, disk.Length);
        return disk.AsSpan(start, (int)Math.Min(count, disk.Length - start));
    }

    /// <summary>Takes some sectors from <paramref name="after"/> and leaves the others as they were.</summary>
    private static byte[] Tear(byte[] before, byte[] after, Random random)
    {
        if (before.Length != after.Length)
        {
            return after;
        }

        for (int at = 0; at < after.Length; at += Sector)
        {
            int count = Math.Min(Sector, after.Length - at);
            Span<byte> sector = after.AsSpan(at, count);
            if (!before.AsSpan(at, count).SequenceEqual(sector) && random.Next(2) == 0)
            {
                before.AsSpan(at, count).CopyTo(sector);
            }
        }

        return after;
    }
}
