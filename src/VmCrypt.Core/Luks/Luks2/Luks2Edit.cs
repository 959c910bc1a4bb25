using System.Text.Json.Nodes;
using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>Changes a copy of the metadata; members that this version does not know stay as they are.</summary>
internal sealed partial class Luks2Edit(Luks2Metadata metadata)
{
    private readonly JsonObject _tree = (JsonObject)metadata.Tree.DeepClone();

    /// <summary>Metadata without key slots and tokens: one payload to the end of its device, whose key digest 0 proves.</summary>
    public static Luks2Metadata Blank(LuksPayload payload, long headerSize, long keyslotsSize, Luks2Proof proof) => Luks2Metadata.Of(new JsonObject
    {
        ["keyslots"] = new JsonObject(),
        ["tokens"] = new JsonObject(),
        ["segments"] = new JsonObject
        {
            ["0"] = new JsonObject
            {
                ["type"] = Luks2Segment.CryptType,
                ["offset"] = Luks2Words.TextOf(payload.Offset),
                ["size"] = "dynamic",
                ["iv_tweak"] = Luks2Words.TextOf(0),
                ["encryption"] = payload.Cipher.ToString(),
                ["sector_size"] = payload.SectorSize,
            },
        },
        ["digests"] = new JsonObject { ["0"] = proof.ToJson(keyslots: [], segments: [0]) },
        ["config"] = new JsonObject
        {
            ["json_size"] = Luks2Words.TextOf(headerSize - Luks2Layout.BinarySize),
            ["keyslots_size"] = Luks2Words.TextOf(keyslotsSize),
        },
    });

    /// <summary>Adds a slot for a key that <paramref name="digest"/> proves.</summary>
    public Luks2Edit AddKeyslot(Luks2Slot slot, int digest)
    {
        var keyslot = new JsonObject { ["type"] = Luks2Keyslot.TypeName, ["key_size"] = slot.KeySize };
        Put("keyslots", slot.Number, Fill(keyslot, slot));
        ((JsonArray)Object("digests", digest)["keyslots"]!).Add(Luks2Members.Name(slot.Number));
        return this;
    }

    /// <summary>Gives a slot another passphrase and place; its priority, digest and tokens stay.</summary>
    public Luks2Edit ReplaceKeyslot(Luks2Slot slot)
    {
        Fill(Object("keyslots", slot.Number), slot);
        return this;
    }

    /// <summary>Removes a slot, its mention by tokens, and its digest if that proves nothing else.</summary>
    public Luks2Edit RemoveKeyslot(int number)
    {
        Section("keyslots").Remove(Luks2Members.Name(number));
        foreach (KeyValuePair<string, JsonNode?> owner in Section("tokens").Concat(Section("digests")))
        {
            Without((JsonArray)owner.Value!["keyslots"]!, number);
        }

        foreach (string digest in Section("digests").Where(IsUseless).Select(digest => digest.Key).ToArray())
        {
            Section("digests").Remove(digest);
        }

        return this;
    }

    /// <summary>Sets a slot's priority; the normal one is not written.</summary>
    public Luks2Edit SetPriority(int number, KeySlotPriority priority)
    {
        JsonObject slot = Object("keyslots", number);
        if (priority == KeySlotPriority.Normal)
        {
            slot.Remove("priority");
        }
        else
        {
            slot["priority"] = (int)priority;
        }

        return this;
    }

    public Luks2Edit AddDigest(int number, Luks2Proof proof, IEnumerable<int> segments)
    {
        Put("digests", number, proof.ToJson([], segments));
        return this;
    }

    /// <summary>Adds a token, or replaces the one of this number.</summary>
    public Luks2Edit PutToken(int number, JsonObject token)
    {
        Put("tokens", number, (JsonObject)token.DeepClone());
        return this;
    }

    public Luks2Edit RemoveToken(int number)
    {
        Section("tokens").Remove(Luks2Members.Name(number));
        return this;
    }

    /// <summary>The changed metadata, which is valid.</summary>
    public Luks2Metadata Done()
    {
        Luks2Metadata changed = Luks2Metadata.Of(_tree);
        Luks2Validator.Validate(changed, (long)metadata.HeaderSize);
        return changed;
    }

    private static JsonObject Fill(JsonObject keyslot, Luks2Slot slot)
    {
        keyslot["af"] = new JsonObject
        {
            ["type"] = "luks1",
            ["stripes"] = KeyMaterial.Stripes,
            ["hash"] = HashKinds.NameOf(slot.Splitter),
        };
        keyslot["area"] = new JsonObject
        {
            ["type"] = "raw",
            ["offset"] = Luks2Words.TextOf(slot.Offset),
            ["size"] = Luks2Words.TextOf(Luks2Layout.AreaLength(slot.KeySize)),
            ["encryption"] = slot.Cipher.ToString(),
            ["key_size"] = slot.WrapKeySize,
        };
        keyslot["kdf"] = slot.Derivation.ToMetadata().ToJson();
        return keyslot;
    }

    private JsonObject Section(string name) => (JsonObject)_tree[name]!;

    private JsonObject Object(string section, int number) => (JsonObject)Section(section)[Luks2Members.Name(number)]!;

    private void Put(string section, int number, JsonObject value) => Section(section)[Luks2Members.Name(number)] = value;

    private static void Without(JsonArray numbers, int number)
    {
        foreach (JsonNode? item in numbers.Where(item => item!.GetValue<string>() == Luks2Members.Name(number)).ToArray())
        {
            numbers.Remove(item);
        }
    }

    private static bool IsUseless(KeyValuePair<string, JsonNode?> digest) =>
        ((JsonArray)digest.Value!["keyslots"]!).Count == 0 && ((JsonArray)digest.Value["segments"]!).Count == 0;
}
