using System.Collections.Immutable;
using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>The JSON metadata of a header: a typed view, and the tree that it was read from.</summary>
/// <remarks>
/// The tree is what is written again, so that members which this version does not know are not lost. It is never changed:
/// <see cref="Luks2Edit"/> works on a copy. Of a parsed value every object has its members; whether they fit together,
/// <see cref="Luks2Validator"/> says.
/// </remarks>
internal sealed record Luks2Metadata
{
    public required ImmutableArray<Luks2Keyslot> Keyslots { get; init; }

    public required ImmutableArray<Luks2Token> Tokens { get; init; }

    public required ImmutableArray<Luks2Segment> Segments { get; init; }

    public required ImmutableArray<Luks2Digest> Digests { get; init; }

    public required Luks2Config Config { get; init; }

    public required JsonObject Tree { get; init; }

    /// <summary>Bytes of one copy of the header.</summary>
    public ulong HeaderSize => checked(Config.JsonSize + Luks2Layout.BinarySize);

    /// <summary>Bytes of both copies and all key slots.</summary>
    public ulong TotalSize => checked((2 * HeaderSize) + Config.KeyslotsSize);

    public Luks2Keyslot? Keyslot(int number) => Keyslots.FirstOrDefault(slot => slot.Number == number);

    /// <summary>The digest that a slot's key must fit; null for a slot that has none.</summary>
    public Luks2Digest? DigestOfKeyslot(int number) => Digests.FirstOrDefault(digest => digest.Keyslots.Contains(number));

    public Luks2Digest? DigestOfSegment(int number) => Digests.FirstOrDefault(digest => digest.Segments.Contains(number));

    /// <summary>The metadata that a tree made here stands for, as it will be read from the medium.</summary>
    public static Luks2Metadata Of(JsonObject tree) => Parse(Luks2Json.Parse(Luks2Json.ToBytes(tree)));

    /// <summary>Reads the metadata.</summary>
    /// <exception cref="InvalidImageException">The id of the object that is not as it must be.</exception>
    public static Luks2Metadata Parse(JsonObject tree)
    {
        foreach (KeyValuePair<string, JsonNode?> slot in tree["keyslots"] as JsonObject ?? [])
        {
            if (slot.Value is JsonObject { } members && members["kdf"] is JsonObject kdf && IsLuks2(members))
            {
                Luks2Kdf.DropLeftovers(kdf);
            }
        }

        return new Luks2Metadata
        {
            Config = Luks2Config.Parse(new Luks2Members(Section(tree, "config"), "The configuration", ErrorIds.Luks2ConfigInvalid)),
            Keyslots = Objects(tree, "keyslots", "Key slot", ErrorIds.Luks2KeyslotInvalid, Luks2Keyslot.Parse),
            Tokens = Objects(tree, "tokens", "Token", ErrorIds.Luks2TokenInvalid, Luks2Token.Parse),
            Digests = Objects(tree, "digests", "Digest", ErrorIds.Luks2DigestInvalid, Luks2Digest.Parse),
            Segments = Objects(tree, "segments", "Segment", ErrorIds.Luks2SegmentInvalid, Luks2Segment.Parse),
            Tree = tree,
        };
    }

    private static bool IsLuks2(JsonObject slot) =>
        slot["type"] is JsonValue value && value.TryGetValue(out string? type) && type == Luks2Keyslot.TypeName;

    private static JsonObject Section(JsonObject tree, string name) => tree[name] as JsonObject
        ?? throw new InvalidImageException(ErrorIds.Luks2SectionMissing, $"The LUKS2 metadata has no object '{name}'.");

    // In the order of their numbers, whatever the order in the text.
    private static ImmutableArray<T> Objects<T>(JsonObject tree, string section, string kind, string errorId, Func<int, Luks2Members, T> parse) =>
    [
        .. Section(tree, section)
            .Select(pair => (Number: RequireNumber(kind, pair.Key), Value: RequireObject(kind, pair.Key, pair.Value, errorId)))
            .OrderBy(item => item.Number)
            .Select(item => parse(item.Number, new Luks2Members(item.Value, $"{kind} {item.Number}", errorId))),
    ];

    private static int RequireNumber(string kind, string name) =>
        Luks2Members.ObjectNumber(name) is { } number and < Luks2Layout.MaxObjects
            ? number
            : throw new InvalidImageException(ErrorIds.Luks2ObjectNameInvalid,
                $"{kind} '{name}' of the LUKS2 metadata must be named by a number from 0 to {Luks2Layout.MaxObjects - 1}.");

    private static JsonObject RequireObject(string kind, string name, JsonNode? value, string errorId) => value as JsonObject
        ?? throw new InvalidImageException(errorId, $"{kind} {name} of the LUKS2 metadata is no object.");
}
