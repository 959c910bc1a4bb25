namespace VmCrypt.Fuzz.Targets;

/// <summary>The words of NBD, and how an input that stands for a peer's bytes arrives: in pieces of many sizes.</summary>
internal static class NbdScript
{
    public static IReadOnlyList<byte[]> Words { get; } = Text.Words(
    [
        "NBDMAGIC", "IHAVEOPT", "\0\x03\xe8\x89\x04\x55\x65\xa9", "\x25\x60\x95\x13", "\x67\x44\x66\x98", "\x66\x8e\x33\xef", "base:allocation", "base:", "disk", "crypt",
        .. Enumerable.Range(1, 10).Select(option => $"IHAVEOPT\0\0\0{(char)option}\0\0\0\0"),
        .. Enumerable.Range(1, 4).Select(type => $"\0\0\0{(char)type}"), .. Enumerable.Range(1, 9).Select(error => $"\x80\0\0{(char)error}"),
        .. Enumerable.Range(0, 8).Select(command => $"\x25\x60\x95\x13\0\0\0{(char)command}\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x10\0\0\0\x10\0"),
    ]);

    /// <summary>The input cut into pieces whose lengths follow from <paramref name="rhythm"/>: all at once, byte by byte, or mixed.</summary>
    public static IEnumerable<ReadOnlyMemory<byte>> Pieces(ReadOnlyMemory<byte> input, byte rhythm)
    {
        for (int piece = 0; !input.IsEmpty; piece++)
        {
            int size = rhythm switch
            {
                0 => input.Length,
                < 64 => rhythm,
                _ => 1 + (rhythm * (piece + 1) * 2654435761L >> 7 & 0x3ff) is var mixed ? (int)mixed : 0,
            };
            yield return input[..Math.Min(size, input.Length)];
            input = input[Math.Min(size, input.Length)..];
        }
    }
}
