using System.Numerics;

namespace VmCrypt.Core.Wipe.Engine;

/// <summary>Which chunks a sampling verification reads: the first, the last, and about one in ten between, as a key decides.</summary>
/// <remarks>Nobody can know the choice before the wipe is over, and a resumed verification makes the same one.</remarks>
internal sealed class SampleChoice(ulong key)
{
    public const int OneIn = 10;

    public bool Includes(Chunk chunk, RangeMap map) =>
        chunk.Position == 0 || chunk.Position + chunk.Length == map.TotalBytes || Mix(key + (ulong)chunk.Offset) % OneIn == 0;

    // The finaliser of SplitMix64: every input bit moves every output bit.
    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return BitOperations.RotateLeft(value ^ (value >> 31), 17);
    }
}
