using System.Text.Json.Nodes;
using VmCrypt.Core.Luks.Luks2.Reencrypt;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>What a re-encryption changes in the metadata.</summary>
internal sealed partial class Luks2Edit
{
    /// <summary>Replaces the regular segments; backup segments stay and are numbered behind them.</summary>
    public Luks2Edit SetSegments(IEnumerable<Luks2ReencryptSegments.Part> parts)
    {
        List<Luks2ReencryptSegments.Part> backups = [.. metadata.Segments.Where(segment => segment.IsBackup).Select(PartOf)];
        return ReplaceSegments([.. parts, .. backups]);
    }

    /// <summary>Replaces all segments, backup segments included.</summary>
    public Luks2Edit ReplaceSegments(IReadOnlyList<Luks2ReencryptSegments.Part> parts)
    {
        _tree["segments"] = new JsonObject(parts.Select((part, number) => KeyValuePair.Create(Luks2Members.Name(number), (JsonNode?)part.Segment.DeepClone())));
        foreach ((string digest, JsonNode? value) in Section("digests"))
        {
            value!["segments"] = Luks2Words.NumbersOf(Enumerable.Range(0, parts.Count)
                .Where(number => parts[number].Digests.Contains(Luks2Members.ObjectNumber(digest))));
        }

        return this;
    }

    /// <summary>Adds the key slot that says how the payload is re-encrypted.</summary>
    public Luks2Edit AddReencryption(int number, JsonObject slot, string requirement)
    {
        Put("keyslots", number, slot);
        Section("config")["requirements"] = new JsonObject { ["mandatory"] = new JsonArray([.. metadata.Config.Requirements.Append(requirement).Select(text => JsonValue.Create(text))]) };
        return this;
    }

    /// <summary>Adds what proves that slot.</summary>
    public Luks2Edit ProveReencryption(int number, int slot, Luks2Proof proof)
    {
        Put("digests", number, proof.ToJson([slot], []));
        return this;
    }

    /// <summary>Removes the requirement of a re-encryption; others stay.</summary>
    public Luks2Edit DropRequirement(string requirement)
    {
        var mandatory = (JsonArray)Section("config")["requirements"]!["mandatory"]!;
        mandatory.RemoveAll(item => item!.GetValue<string>() == requirement);
        if (mandatory.Count == 0)
        {
            Section("config").Remove("requirements");
        }

        return this;
    }

    /// <summary>Sets or removes flags, which those who do not know them ignore.</summary>
    public Luks2Edit SetFlags(string[] flags, bool set)
    {
        string[] all = [.. metadata.Config.Flags.Except(flags), .. set ? flags : []];
        Section("config").Remove("flags");
        if (all.Length > 0)
        {
            Section("config")["flags"] = new JsonArray([.. all.Select(text => JsonValue.Create(text))]);
        }

        return this;
    }

    private Luks2ReencryptSegments.Part PartOf(Luks2Segment segment) => new(
        Object("segments", segment.Number),
        [.. metadata.Digests.Where(digest => digest.Segments.Contains(segment.Number)).Select(digest => (int?)digest.Number)]);
}
