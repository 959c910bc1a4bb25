using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz;

/// <summary>One parser, or one object that strangers talk to, under hostile input.</summary>
internal interface IFuzzTarget
{
    /// <summary>What the command line calls it; its corpus and findings lie in folders of this name.</summary>
    string Name { get; }

    /// <summary>Magics, keywords and other words of the format, which no random change would find.</summary>
    IReadOnlyList<byte[]> Words => [];

    /// <summary>Places of numbers in every input; they are changed more often than the rest.</summary>
    IReadOnlyList<Field> Fields => [];

    /// <summary>Bytes; longer inputs are cut.</summary>
    int MaxLength => 128 * 1024;

    /// <summary>The folders of the corpus whose files are inputs of this target.</summary>
    IReadOnlyList<string> Samples => [Name];

    /// <summary>The input that a file of the corpus makes.</summary>
    byte[] FromSample(byte[] sample) => sample;

    /// <summary>Feeds the input to the parser and uses what comes of it.</summary>
    /// <param name="input">May be anything.</param>
    /// <param name="trace">Takes note of what happens on the way, so that inputs that make something new happen are kept.</param>
    /// <exception cref="Core.Errors.VmCryptException">The input was refused, as it should be.</exception>
    /// <exception cref="DefectException">It was accepted, but what came of it is wrong. Every other exception counts as a defect, too.</exception>
    void Run(ReadOnlySpan<byte> input, Trace trace);
}

/// <summary>A number of 1, 2, 4 or 8 bytes.</summary>
internal readonly record struct Field(int Offset, int Width);

/// <summary>The parser let something happen that its contract excludes.</summary>
internal sealed class DefectException(string message) : Exception(message)
{
    public static void Unless(bool holds, string message)
    {
        if (!holds)
        {
            throw new DefectException(message);
        }
    }
}
