using System.Diagnostics;

namespace VmCrypt.Fuzz.Engine;

/// <summary>Makes an input as short and as plain as it can be with the same defect.</summary>
internal sealed class Minimiser(Func<byte[], Defect?> run, string defect)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    private readonly Stopwatch _clock = Stopwatch.StartNew();

    public byte[] Reduce(byte[] input)
    {
        for (int size = Math.Max(1, input.Length / 2); size > 0 && _clock.Elapsed < s_patience; size /= 2)
        {
            input = Without(input, size);
            input = Zeroed(input, size);
        }

        return input;
    }

    private byte[] Without(byte[] input, int size)
    {
        for (int at = input.Length - size; at >= 0 && _clock.Elapsed < s_patience; at -= size)
        {
            byte[] shorter = [.. input[..at], .. input[(at + size)..]];
            input = Shows(shorter) ? shorter : input;
            at = Math.Min(at, input.Length);
        }

        return input;
    }

    private byte[] Zeroed(byte[] input, int size)
    {
        for (int at = 0; at + size <= input.Length && _clock.Elapsed < s_patience; at += size)
        {
            if (input.AsSpan(at, size).ContainsAnyExcept((byte)0))
            {
                byte[] plainer = [.. input];
                plainer.AsSpan(at, size).Clear();
                input = Shows(plainer) ? plainer : input;
            }
        }

        return input;
    }

    private bool Shows(byte[] input) => run(input)?.Key == defect;
}
