using VmCrypt.Core.Luks.Luks2;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>The JSON area of a LUKS2 header without all that stands around it: read, checked, written again, changed.</summary>
internal sealed class Luks2JsonTarget : IFuzzTarget
{
    // What the binary part beside it says in the samples.
    private const long HeaderSize = 0x4000;

    public string Name => "luks2-json";

    public int MaxLength => 64 * 1024;

    public IReadOnlyList<byte[]> Words { get; } =
    [
        .. new Luks2Target().Words,
        .. Text.Words("9223372036854775808", "18446744073709551616", "1e308", "1E-400", "0.1", "-0", "[[[[[[[[", "{\"0\":{\"0\":{", "\"0\":{},\"0\":{}", "\xc3\x28", "\xed\xa0\x80", "\\ud83d\\ude00", "//", "\0\0\0"),
    ];

    public byte[] FromSample(byte[] sample) => [.. sample, 0];

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        Luks2Metadata metadata = Luks2Metadata.Parse(Luks2Json.Read(input));
        Luks2Validator.Validate(metadata, HeaderSize);
        trace.Note($"{metadata.Keyslots.Length} {metadata.Tokens.Length} {metadata.Segments.Length} {metadata.Digests.Length}");

        byte[] written = Luks2Json.ToBytes(metadata.Tree);
        var again = Luks2Metadata.Parse(Luks2Json.Read([.. written, 0]));
        DefectException.Unless(Luks2Json.ToBytes(again.Tree).AsSpan().SequenceEqual(written), "What is written is read as something else.");
        foreach (Luks2Keyslot slot in metadata.Keyslots)
        {
            Luks2Metadata without = new Luks2Edit(metadata).RemoveKeyslot(slot.Number).Done();
            DefectException.Unless(without.Tokens.Length == metadata.Tokens.Length, "A token went with a slot.");
            DefectException.Unless(!without.Tokens.Any(token => token.Keyslots.Contains(slot.Number)), "A token names a slot that is gone.");
        }
    }
}
