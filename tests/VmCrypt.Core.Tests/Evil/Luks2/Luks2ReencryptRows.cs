using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Luks.Luks2;

namespace VmCrypt.Core.Tests.Evil.Luks2;

/// <summary>Conversions that stopped in a zone, with one thing changed in both copies of the header, and what must come of each.</summary>
/// <remarks>Key slots 0 and 1 hold the keys, 2 says how; segments: new, hot, old, <c>backup-previous</c>, <c>backup-final</c>.</remarks>
public static class Luks2ReencryptRows
{
    private static readonly Dictionary<string, (string ErrorId, Action<JsonObject> Change)> s_rows = new(StringComparer.Ordinal)
    {
        ["mode unknown"] = (ErrorIds.Luks2KeyslotInvalid, json => Slot(json)["mode"] = "rotate"),
        ["mode of a number"] = (ErrorIds.Luks2KeyslotInvalid, json => Slot(json)["mode"] = 1),
        ["mode encrypts what is encrypted"] = (ErrorIds.Luks2ReencryptionInvalid, json => Slot(json)["mode"] = "encrypt"),
        ["mode decrypts to what is encrypted"] = (ErrorIds.Luks2ReencryptionInvalid, json => Slot(json)["mode"] = "decrypt"),
        ["no mode"] = (ErrorIds.Luks2KeyslotInvalid, json => Slot(json).Remove("mode")),
        ["direction unknown"] = (ErrorIds.Luks2KeyslotInvalid, json => Slot(json)["direction"] = "sideways"),
        ["direction turned"] = (ErrorIds.Luks2ReencryptionUnproven, json => Slot(json)["direction"] = "backward"),
        ["key size of two"] = (ErrorIds.Luks2KeyslotInvalid, json => Slot(json)["key_size"] = 2),
        ["resilience unknown"] = (ErrorIds.Luks2ReencryptionUnsupported, json => Area(json)["type"] = "luck"),
        ["resilience none"] = (ErrorIds.Luks2ReencryptionUnsupported, json => Area(json)["type"] = "none"),
        ["resilience of a moving disk"] = (ErrorIds.Luks2KeyslotInvalid, json => Area(json)["type"] = "datashift"),
        ["checksums turned into a journal"] = (ErrorIds.Luks2ReencryptionUnproven, json => Area(json)["type"] = "journal"),
        ["hash unknown"] = (ErrorIds.Luks2ReencryptionUnproven, json => Area(json)["hash"] = "sha257"),
        ["hash of a number"] = (ErrorIds.Luks2KeyslotInvalid, json => Area(json)["hash"] = 256),
        ["checksums of other blocks"] = (ErrorIds.Luks2ReencryptionUnproven, json => Area(json)["sector_size"] = 1024),
        ["checksums of blocks of 100 bytes"] = (ErrorIds.Luks2KeyslotInvalid, json => Area(json)["sector_size"] = 100),
        ["checksums of blocks of no bytes"] = (ErrorIds.Luks2KeyslotInvalid, json => Area(json)["sector_size"] = 0),
        ["checksums of blocks of 2 GiB"] = (ErrorIds.Luks2ReencryptionUnproven, json => Area(json)["sector_size"] = 1u << 31),
        ["area elsewhere"] = (ErrorIds.Luks2KeyslotAreaInvalid, json => Area(json)["offset"] = "512"),
        ["area over a key slot"] = (ErrorIds.Luks2KeyslotAreasOverlap, json => Area(json)["offset"] = "32768"),
        ["area that is shorter"] = (ErrorIds.Luks2ReencryptionUnproven, json => Area(json)["size"] = "4096"),

        ["requirement of a later version"] = (ErrorIds.Luks2RequirementUnknown, json => Require(json, "online-reencrypt-v4")),
        ["requirement of a moving disk"] = (ErrorIds.Luks2ReencryptionUnsupported, json => Require(json, "online-reencrypt-v3")),
        ["requirement unknown"] = (ErrorIds.Luks2RequirementUnknown, json => Require(json, "online-reencrypt-v2", "moon-phase")),
        ["requirement gone"] = (ErrorIds.Luks2ReencryptionInvalid, json => json["config"]!.AsObject().Remove("requirements")),

        ["no key slot says how"] = (ErrorIds.Luks2ReferenceInvalid, json => json["keyslots"]!.AsObject().Remove("2")),
        ["from what is not said"] = (ErrorIds.Luks2ReencryptionInvalid, json => json["segments"]!["3"]!["flags"] = new JsonArray("backup-nothing")),
        ["to what is not said"] = (ErrorIds.Luks2ReencryptionInvalid, json => json["segments"]!["4"]!["flags"] = new JsonArray("backup-nothing")),
        ["from another place"] = (ErrorIds.Luks2ReencryptionInvalid, json => json["segments"]!["3"]!["offset"] = "1048576"),
        ["from another cipher"] = (ErrorIds.Luks2ReencryptionUnproven, json => json["segments"]!["3"]!["encryption"] = "aes-cbc-plain"),
        ["from another sector size"] = (ErrorIds.Luks2ReencryptionUnproven, json => json["segments"]!["3"]!["sector_size"] = 4096),
        ["to another initial vector"] = (ErrorIds.Luks2ReencryptionUnproven, json => json["segments"]!["4"]!["iv_tweak"] = "8"),
        ["to a plain disk"] = (ErrorIds.Luks2ReencryptionInvalid, json => Plain(json, "4")),
        ["from a plain disk"] = (ErrorIds.Luks2ReencryptionInvalid, json => Plain(json, "3")),

        ["zone no longer hot"] = (ErrorIds.Luks2ReencryptionInvalid, json => json["segments"]!["1"]!.AsObject().Remove("flags")),
        ["hot zone that is longer"] = (ErrorIds.Luks2SegmentsOverlap, json => Grow(json, "1", 512)),
        ["hot zone that is shorter"] = (ErrorIds.Luks2ReencryptionInvalid, json => Grow(json, "1", -512)),
        ["done part that is longer"] = (ErrorIds.Luks2SegmentsOverlap, json => Grow(json, "0", 512)),

        ["proof gone"] = (ErrorIds.Luks2ReencryptionUnproven, json => json["digests"]!.AsObject().Remove("2")),
        ["proof of another salt"] = (ErrorIds.Luks2ReencryptionUnproven, json => json["digests"]!["2"]!["salt"] = Convert.ToBase64String(new byte[32])),
        ["proof of other iterations"] = (ErrorIds.Luks2ReencryptionUnproven, json => json["digests"]!["2"]!["iterations"] = 1001),
        ["proof of another digest"] = (ErrorIds.Luks2ReencryptionUnproven, json => json["digests"]!["2"]!["digest"] = Convert.ToBase64String(new byte[32])),
    };

    public static IEnumerable<string> Names => s_rows.Keys;

    /// <summary>Changes the disk, and says which error must come of it.</summary>
    public static string Apply(string row, Luks2Disk disk)
    {
        (string errorId, Action<JsonObject> change) = s_rows[row];
        disk.Edit(change);
        return errorId;
    }

    private static JsonObject Slot(JsonObject json) => json["keyslots"]!["2"]!.AsObject();

    private static JsonObject Area(JsonObject json) => Slot(json)["area"]!.AsObject();

    private static void Require(JsonObject json, params string[] names) =>
        json["config"]!["requirements"]!["mandatory"] = new JsonArray([.. names.Select(name => (JsonNode)name)]);

    private static void Plain(JsonObject json, string segment) => json["segments"]![segment] = new JsonObject
    {
        ["type"] = "linear",
        ["offset"] = json["segments"]![segment]!["offset"]!.DeepClone(),
        ["size"] = "dynamic",
        ["flags"] = json["segments"]![segment]!["flags"]!.DeepClone(),
    };

    // What follows stays where it was: a gap or an overlap.
    private static void Grow(JsonObject json, string segment, int bytes)
    {
        JsonNode changed = json["segments"]![segment]!;
        changed["size"] = $"{long.Parse(changed["size"]!.GetValue<string>()) + bytes}";
    }
}
