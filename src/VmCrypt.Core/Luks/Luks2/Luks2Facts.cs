using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>A LUKS2 header in words; works on valid metadata whose words this version may not know.</summary>
internal static class Luks2Facts
{
    private static readonly JsonSerializerOptions s_shown = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

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
            [.. metadata.Keyslots.Select(slot => Of(slot, digest))])
        {
            Label = TextOf(binary.Label.AsSpan()),
            Subsystem = TextOf(binary.Subsystem.AsSpan()),
            Epoch = binary.SequenceId,
            Tokens = [.. metadata.Tokens.Select(token =>
                new KeyTokenFacts(token.Number, token.Type, [.. token.Keyslots], token.Json.ToJsonString(s_shown)))],
            Flags = [.. metadata.Config.Flags],
            Requirements = [.. metadata.Config.Requirements],
            DamagedCopy = damagedCopy,
        };
    }

    private static KeySlotFacts Of(Luks2Keyslot slot, Luks2Digest? digest) => new()
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
    };

    // Labels are UTF-8 by custom; control characters do not belong on a terminal.
    private static string TextOf(ReadOnlySpan<byte> field)
    {
        int end = field.IndexOf((byte)0);
        string text = Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
        return string.Create(text.Length, text, static (shown, source) =>
        {
            for (int i = 0; i < shown.Length; i++)
            {
                shown[i] = char.IsControl(source[i]) ? '?' : source[i];
            }
        });
    }

    private static string Word(Luks2Digest? digest, string member) =>
        digest?.Json[member] is System.Text.Json.Nodes.JsonValue value && value.TryGetValue(out string? text) ? text : string.Empty;

    private static long Number(Luks2Digest? digest, string member) =>
        digest?.Json[member] is System.Text.Json.Nodes.JsonValue value && value.TryGetValue(out long number) ? number : 0;
}
