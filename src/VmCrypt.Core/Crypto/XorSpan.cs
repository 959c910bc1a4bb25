using System.Numerics;
using System.Runtime.InteropServices;

namespace VmCrypt.Core.Crypto;

internal static class XorSpan
{
    /// <summary>Adds <paramref name="source"/> into <paramref name="target"/>, which is no longer than it; the two may be the same span.</summary>
    public static void Into(ReadOnlySpan<byte> source, Span<byte> target)
    {
        source = source[..target.Length];
        ReadOnlySpan<Vector<byte>> wideSource = MemoryMarshal.Cast<byte, Vector<byte>>(source);
        Span<Vector<byte>> wideTarget = MemoryMarshal.Cast<byte, Vector<byte>>(target);
        for (int i = 0; i < wideTarget.Length; i++)
        {
            wideTarget[i] ^= wideSource[i];
        }

        for (int i = wideTarget.Length * Vector<byte>.Count; i < target.Length; i++)
        {
            target[i] ^= source[i];
        }
    }
}
