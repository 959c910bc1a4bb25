using System.Text;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks.Luks2.Reencrypt;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>A LUKS2 header in words; works on valid metadata whose words this version may not know.</summary>
internal static class Luks2Facts
{
    public static LuksFacts Of(Luks2BinaryHeader binary, Luks2Metadata metadata, VmCryptException? damagedCopy)
    {
        Luks2Segment segment = metadata.Segments[0];
        Luks2Digest? digest = metadata.DigestOfSegment(segment.Number);
        return new LuksFacts(
            LuksVersion.Luks2,
            LuksText.Label(binary.Uuid.AsSpan()),
            segment.Crypt?.Cipher ?? segment.Type,
            metadata.Keyslots.FirstOrDefault(slot => slot.IsLuks2 && digest?.Keyslots.Contains(slot.Number) == true)?.KeySize ?? 0,
            Word(digest, "hash"),
            Number(digest, "iterations"),
            (long)Math.Min(segment.Offset, long.MaxValue),
            (int)Math.Min(segment.Crypt?.SectorSize ?? Luks2Layout.SectorSize, int.MaxValue),
            [.. metadata.Keyslots.Select(slot => Of(slot, digest, metadata.Tokens))])
        {
            Label = TextOf(binary.Label.AsSpan()),
            Subsystem = TextOf(binary.Subsystem.AsSpan()),
            Epoch = binary.SequenceId,
            Tokens = [.. metadata.Tokens.Select(token =>
                new KeyTokenFacts(token.Number, LuksText.Printable(token.Type), [.. token.Keyslots], KeyTokenJson.TextOf(token.Json)))],
            Flags = [.. metadata.Config.Flags],
            Requirements = [.. metadata.Config.Requirements],
            Reencryption = Luks2Requirements.KnowsReencryption(metadata.Config) ? length => Luks2ReencryptPlan.Describe(metadata, length) : null,
            KeyMark = Word(digest, "salt"),
            DamagedCopy = damagedCopy,
        };
    }

    private static KeySlotFacts Of(Luks2Keyslot slot, Luks2Digest? digest, IEnumerable<Luks2Token> tokens) => new()
    {
        Number = slot.Number,
        IsActive = true,
        Kdf = slot.Kdf?.Type ?? slot.Type,
        Iterations = slot.Kdf?.Iterations ?? 0,
        MemoryKiB = slot.Kdf?.MemoryKiB ?? 0,
        Parallelism = (int)Math.Min(slot.Kdf?.Lanes ?? 1, int.MaxValue),
        Hash = slot.Kdf is { Hash.Length: > 0 } kdf ? kdf.Hash : slot.Splitter?.Hash ?? string.Empty,
        Stripes = slot.Splitter?.Stripes ?? 0,
        AreaOffset = (long)slot.Area.Offset,
        AreaLength = (long)slot.Area.Size,
        Priority = Enum.IsDefined((KeySlotPriority)slot.Priority) ? (KeySlotPriority)slot.Priority : KeySlotPriority.Ignore,
        IsBound = digest?.Keyslots.Contains(slot.Number) == true,
        Tokens = [.. tokens.Where(token => token.Keyslots.Contains(slot.Number)).Select(token => token.Number)],
    };

    // Labels are UTF-8 by custom.
    private static string TextOf(ReadOnlySpan<byte> field)
    {
        int end = field.IndexOf((byte)0);
        return LuksText.Printable(Encoding.UTF8.GetString(end < 0 ? field : field[..end]));
    }

    private static string Word(Luks2Digest? digest, string member) =>
        digest?.Json[member] is System.Text.Json.Nodes.JsonValue value && value.TryGetValue(out string? text) ? text : string.Empty;

    private static long Number(Luks2Digest? digest, string member) =>
        digest?.Json[member] is System.Text.Json.Nodes.JsonValue value && value.TryGetValue(out long number) ? number : 0;
}
