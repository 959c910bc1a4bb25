namespace VmCrypt.Core.Proof.Walk;

/// <summary>The finaliser of SplitMix64: every bit of the input moves every bit of the output.</summary>
internal static class Mixer
{
    public static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
