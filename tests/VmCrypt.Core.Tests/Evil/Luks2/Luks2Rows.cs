using System.Text;
using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Luks.Luks2;

namespace VmCrypt.Core.Tests.Evil.Luks2;

/// <summary>Good LUKS2 disks with one thing changed in both copies, and what must come of each.</summary>
/// <remarks>
/// The disk: header of 16 KiB, room for five slots of 512 bits, slots 0 and 1 with pbkdf2, token 0, one segment with sectors of 4096.
/// Ids that <see cref="Luks2Rows.IsUnsupported"/> names are those of headers which are sound, but ask for what we do not do.
/// </remarks>
public static class Luks2Rows
{
    private const string Max = "18446744073709551615";

    private static readonly Dictionary<string, (string ErrorId, Action<Luks2Disk> Change)> s_rows = new(StringComparer.Ordinal)
    {
        ["magic of both copies gone"] = (ErrorIds.NotLuks, disk => disk.Kill(0).Kill(1)),
        ["version 3"] = (ErrorIds.LuksVersionUnsupported, disk => Both(disk, 7, 3)),
        ["header of 12 KiB"] = (ErrorIds.Luks2HeaderSizeInvalid, disk => disk.Put64(8, 0x3000)),
        ["header of 24 KiB"] = (ErrorIds.Luks2HeaderSizeInvalid, disk => disk.Put64(8, 0x6000)),
        ["header of 8 MiB"] = (ErrorIds.Luks2HeaderSizeInvalid, disk => disk.Put64(8, 0x800000)),
        ["header of 2^63 bytes"] = (ErrorIds.Luks2HeaderSizeInvalid, disk => disk.Put64(8, 1UL << 63)),
        ["header of 2^32 + 16 KiB"] = (ErrorIds.Luks2HeaderSizeInvalid, disk => disk.Put64(8, (1UL << 32) + 0x4000)),
        ["header at another offset"] = (ErrorIds.Luks2HeaderOffsetInvalid, disk => disk.Put64(256, 0x8000)),
        ["checksums wrong"] = (ErrorIds.Luks2ChecksumMismatch, disk => { disk.Copy(0)[448] ^= 1; disk.Copy(1)[448] ^= 1; }),
        ["a byte of padding changed"] = (ErrorIds.Luks2ChecksumMismatch, disk => { disk.Copy(0)[600] ^= 1; disk.Copy(1)[600] ^= 1; }),
        ["checksum algorithm unknown"] = (ErrorIds.HashUnsupported, disk => Both(disk, 72, (byte)'x')),

        ["text empty"] = (ErrorIds.Luks2JsonInvalid, disk => disk.Put("")),
        ["text with a space first"] = (ErrorIds.Luks2JsonInvalid, disk => disk.Put(" " + disk.Text())),
        ["text is an array"] = (ErrorIds.Luks2JsonInvalid, disk => disk.Put($"[{disk.Text()}]")),
        ["text cut short"] = (ErrorIds.Luks2JsonInvalid, disk => disk.Put(disk.Text()[..^1])),
        ["text with a comment"] = (ErrorIds.Luks2JsonInvalid, disk => disk.Put("{/* */" + disk.Text()[1..])),
        ["text with a comma too many"] = (ErrorIds.Luks2JsonInvalid, disk => disk.Put(disk.Text()[..^1] + ",}")),
        ["text followed by a letter"] = (ErrorIds.Luks2JsonTailInvalid, disk => disk.Put(disk.Text() + "X")),
        ["text followed by a space"] = (ErrorIds.Luks2JsonTailInvalid, disk => disk.Put(disk.Text() + " ")),
        ["text followed by another after NULs"] = (ErrorIds.Luks2JsonTailInvalid, disk => disk.Put(disk.Text() + new string('\0', 100) + "{}")),
        ["text without room for a NUL"] = (ErrorIds.Luks2JsonTailInvalid, disk => disk.Put(Filled(disk, disk.HeaderSize - 4096))),
        ["a name given twice"] = (ErrorIds.Luks2JsonInvalid, disk => disk.Put("{\"tokens\":{}," + disk.Text()[1..])),
        ["a name given twice in a slot"] = (ErrorIds.Luks2JsonInvalid, disk => disk.Put(disk.Text().Replace("\"key_size\":64,\"af\"", "\"key_size\":64,\"key_size\":64,\"af\"", StringComparison.Ordinal))),
        ["half a surrogate pair in a text"] = (ErrorIds.Luks2JsonInvalid, disk => disk.Put(disk.Text().Replace("aes-xts-plain64", "\\ud83d", StringComparison.Ordinal))),
        ["half a surrogate pair in a name"] = (ErrorIds.Luks2JsonInvalid, disk => disk.Put("{\"\\udc00\":1," + disk.Text()[1..])),
        ["depth of 33"] = (ErrorIds.Luks2JsonInvalid, disk => disk.Put(Deep(disk, 33))),
        ["bytes that are not UTF-8"] = (ErrorIds.Luks2JsonInvalid, disk => disk.Put([.. Encoding.UTF8.GetBytes(disk.Text()[..^1] + ",\"x\":\""), 0xC3, 0x28, .. "\"}"u8])),

        ["no tokens"] = (ErrorIds.Luks2SectionMissing, disk => disk.Edit(json => json.Remove("tokens"))),
        ["tokens are a number"] = (ErrorIds.Luks2SectionMissing, disk => disk.Edit(json => json["tokens"] = 42)),
        ["key slots are an array"] = (ErrorIds.Luks2SectionMissing, disk => disk.Edit(json => json["keyslots"] = new JsonArray())),
        ["segments are a text"] = (ErrorIds.Luks2SectionMissing, disk => disk.Edit(json => json["segments"] = "hi")),
        ["no digests"] = (ErrorIds.Luks2SectionMissing, disk => disk.Edit(json => json.Remove("digests"))),
        ["no configuration"] = (ErrorIds.Luks2SectionMissing, disk => disk.Edit(json => json.Remove("config"))),
        ["slot named by a word"] = (ErrorIds.Luks2ObjectNameInvalid, disk => disk.Edit(json => Rename(json, "keyslots", "1", "one"))),
        ["slot named 01"] = (ErrorIds.Luks2ObjectNameInvalid, disk => disk.Edit(json => Rename(json, "keyslots", "1", "01"))),
        ["slot named by nothing"] = (ErrorIds.Luks2ObjectNameInvalid, disk => disk.Edit(json => Rename(json, "keyslots", "1", ""))),
        ["slot 32"] = (ErrorIds.Luks2ObjectNameInvalid, disk => disk.Edit(json => Rename(json, "keyslots", "1", "32"))),
        ["slot -1"] = (ErrorIds.Luks2ObjectNameInvalid, disk => disk.Edit(json => Rename(json, "keyslots", "1", "-1"))),
        ["token 4294967296"] = (ErrorIds.Luks2ObjectNameInvalid, disk => disk.Edit(json => Rename(json, "tokens", "0", "4294967296"))),

        ["slot is no object"] = (ErrorIds.Luks2KeyslotInvalid, disk => disk.Edit(json => json["keyslots"]!["1"] = 1)),
        ["slot without type"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot.Remove("type"))),
        ["slot with an empty type"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot["type"] = "")),
        ["slot without key size"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot.Remove("key_size"))),
        ["slot with a key size in text"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot["key_size"] = "64")),
        ["slot with a negative key size"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot["key_size"] = -1)),
        ["slot with a key size of 2^32"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot["key_size"] = 1L << 32)),
        ["slot with a key size of 2^63"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot["key_size"] = 1UL << 63)),
        ["slot with a key size that is no whole number"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot["key_size"] = 64.5)),
        ["slot without area"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot.Remove("area"))),
        ["slot whose area is a number"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot["area"] = 42)),
        ["slot whose area is of another type"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot["area"]!["type"] = "ram")),
        ["slot whose area is at a number"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot["area"]!["offset"] = 290816)),
        ["slot whose area has no encryption"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => ((JsonObject)slot["area"]!).Remove("encryption"))),
        ["slot whose area has 2^64 bytes"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot["area"]!["size"] = "18446744073709551616")),
        ["slot whose splitter is of a number"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot["af"]!["type"] = 42)),
        ["slot whose splitter is of another type"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot["af"]!["type"] = "luks2")),
        ["slot without splitter"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot["af"] = 42)),
        ["slot without key derivation"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot["kdf"] = 42)),
        ["slot without salt"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => ((JsonObject)slot["kdf"]!).Remove("salt"))),
        ["slot without iterations"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => ((JsonObject)slot["kdf"]!).Remove("iterations"))),
        ["slot with 2^63 iterations"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot["kdf"]!["iterations"] = 1UL << 63)),
        ["slot with -1 iterations"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot["kdf"]!["iterations"] = -1)),
        ["slot with iterations in text"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => slot["kdf"]!["iterations"] = "1000")),
        ["slot with argon2id without memory"] = (ErrorIds.Luks2KeyslotInvalid, disk => Slot(disk, slot => ((JsonObject)slot["kdf"]!)["type"] = "argon2id")),

        ["token without type"] = (ErrorIds.Luks2TokenInvalid, disk => disk.Edit(json => ((JsonObject)json["tokens"]!["0"]!).Remove("type"))),
        ["token without key slots"] = (ErrorIds.Luks2TokenInvalid, disk => disk.Edit(json => ((JsonObject)json["tokens"]!["0"]!).Remove("keyslots"))),
        ["token with key slots as numbers"] = (ErrorIds.Luks2TokenInvalid, disk => disk.Edit(json => json["tokens"]!["0"]!["keyslots"] = new JsonArray(0))),
        ["token for a slot that is not there"] = (ErrorIds.Luks2ReferenceInvalid, disk => disk.Edit(json => Add(json["tokens"]!["0"]!["keyslots"]!, "7"))),
        ["digest without type"] = (ErrorIds.Luks2DigestInvalid, disk => disk.Edit(json => ((JsonObject)json["digests"]!["0"]!).Remove("type"))),
        ["digest without segments"] = (ErrorIds.Luks2DigestInvalid, disk => disk.Edit(json => ((JsonObject)json["digests"]!["0"]!).Remove("segments"))),
        ["digest for a slot that is not there"] = (ErrorIds.Luks2ReferenceInvalid, disk => disk.Edit(json => Add(json["digests"]!["0"]!["keyslots"]!, "7"))),
        ["digest for a segment that is not there"] = (ErrorIds.Luks2ReferenceInvalid, disk => disk.Edit(json => Add(json["digests"]!["0"]!["segments"]!, "1"))),
        ["slot without digest"] = (ErrorIds.Luks2KeyslotUnproven, disk => disk.Edit(json => json["digests"]!["0"]!["keyslots"] = new JsonArray("0"))),
        ["slot with two digests"] = (ErrorIds.Luks2KeyslotUnproven, disk => disk.Edit(json => AddDigest(json, "1"))),

        ["no segment"] = (ErrorIds.Luks2SegmentsNotInOrder, disk => disk.Edit(json => { json["segments"] = new JsonObject(); json["digests"]!["0"]!["segments"] = new JsonArray(); })),
        ["segment without type"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment.Remove("type"))),
        ["segment with a number as type"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment["type"] = 42)),
        ["segment without offset"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment.Remove("offset"))),
        ["segment with a negative offset"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment["offset"] = "-42")),
        ["segment with an offset of +512"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment["offset"] = "+512")),
        ["segment with an offset of 0x200"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment["offset"] = "0x200")),
        ["segment without size"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment.Remove("size"))),
        ["segment with a number as size"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment["size"] = 4096)),
        ["segment with a word as size"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment["size"] = "automatic")),
        ["segment of 2^64 bytes"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment["size"] = "18446744073709551616")),
        ["segment of -512 bytes"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment["size"] = "-512")),
        ["segment of 0 bytes"] = (ErrorIds.Luks2SegmentSizeInvalid, disk => Segment(disk, segment => segment["size"] = "0")),
        ["segment of 511 bytes"] = (ErrorIds.Luks2SegmentSizeInvalid, disk => Segment(disk, segment => segment["size"] = "511")),
        ["segment of half a sector"] = (ErrorIds.Luks2SegmentSizeInvalid, disk => Segment(disk, segment => segment["size"] = "2048")),
        ["segment at an odd offset"] = (ErrorIds.Luks2SegmentOffsetInvalid, disk => Segment(disk, segment => segment["offset"] = "1323009")),
        ["segment without encryption"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment.Remove("encryption"))),
        ["segment with an empty encryption"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment["encryption"] = "")),
        ["segment with an object as encryption"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment["encryption"] = new JsonObject())),
        ["segment without iv_tweak"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment.Remove("iv_tweak"))),
        ["segment with a word as iv_tweak"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment["iv_tweak"] = "dynamic")),
        ["segment without sector size"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment.Remove("sector_size"))),
        ["segment with sectors in text"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment["sector_size"] = "4096")),
        ["segment with negative sectors"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment["sector_size"] = -1024)),
        ["segment with sectors of 0"] = (ErrorIds.Luks2SectorSizeInvalid, disk => Segment(disk, segment => segment["sector_size"] = 0)),
        ["segment with sectors of 1023"] = (ErrorIds.Luks2SectorSizeInvalid, disk => Segment(disk, segment => segment["sector_size"] = 1023)),
        ["segment with flags as text"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment["flags"] = "hello")),
        ["segment with a number among its flags"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment["flags"] = new JsonArray("hello", 1))),
        ["segment without digest"] = (ErrorIds.Luks2SegmentUnproven, disk => disk.Edit(json => json["digests"]!["0"]!["segments"] = new JsonArray())),
        ["segment with integrity that says nothing"] = (ErrorIds.Luks2SegmentInvalid, disk => Segment(disk, segment => segment["integrity"] = new JsonObject())),
        ["segments with a gap"] = (ErrorIds.Luks2SegmentsNotInOrder, disk => disk.Edit(json => json["segments"]!["2"] = Linear("512", "512", "backup-x"))),
        ["segments for backup first"] = (ErrorIds.Luks2SegmentsNotInOrder, disk => Segment(disk, segment => segment["flags"] = new JsonArray("backup-x"))),
        ["segment behind one for backup"] = (ErrorIds.Luks2SegmentsNotInOrder, disk => disk.Edit(json => { json["segments"]!["1"] = Linear("512", "512", "backup-x"); json["segments"]!["2"] = Linear("4096000", "512"); })),
        ["segment to the end that is not the last"] = (ErrorIds.Luks2SegmentsOverlap, disk => disk.Edit(json => json["segments"]!["1"] = Linear("512", "512"))),
        ["segments that share bytes"] = (ErrorIds.Luks2SegmentsOverlap, disk => disk.Edit(json => { json["segments"]!["0"]!["size"] = "8192"; json["segments"]!["1"] = Linear("1327104", "dynamic"); })),

        ["json_size of another header"] = (ErrorIds.Luks2JsonSizeMismatch, disk => Config(disk, config => config["json_size"] = "28672")),
        ["json_size of 2^64 - 1"] = (ErrorIds.Luks2JsonSizeMismatch, disk => Config(disk, config => config["json_size"] = Max)),
        ["json_size as a number"] = (ErrorIds.Luks2ConfigInvalid, disk => Config(disk, config => config["json_size"] = 12288)),
        ["json_size missing"] = (ErrorIds.Luks2ConfigInvalid, disk => Config(disk, config => config.Remove("json_size"))),
        ["flags as text"] = (ErrorIds.Luks2ConfigInvalid, disk => Config(disk, config => config["flags"] = "allow-discards")),
        ["requirements as array"] = (ErrorIds.Luks2ConfigInvalid, disk => Config(disk, config => config["requirements"] = new JsonArray("x"))),
        ["requirement as number"] = (ErrorIds.Luks2ConfigInvalid, disk => Config(disk, config => config["requirements"] = Mandatory(1))),
        ["two kinds of re-encryption required"] = (ErrorIds.Luks2RequirementsInvalid, disk => Config(disk, config => config["requirements"] = Mandatory("online-reencrypt-v2", "online-reencrypt-v9"))),
        ["keyslots_size not a multiple of 4096"] = (ErrorIds.Luks2KeyslotsSizeInvalid, disk => Config(disk, config => config["keyslots_size"] = "1290239")),
        ["keyslots_size into the payload"] = (ErrorIds.Luks2KeyslotsSizeInvalid, disk => Config(disk, config => config["keyslots_size"] = "1294336")),
        ["keyslots_size of 2^64 - 4096"] = (ErrorIds.Luks2KeyslotsSizeInvalid, disk => Config(disk, config => config["keyslots_size"] = "18446744073709547520")),
        ["keyslots_size too small for the slots"] = (ErrorIds.Luks2KeyslotAreaInvalid, disk => Config(disk, config => config["keyslots_size"] = "512000")),
        ["area in the header"] = (ErrorIds.Luks2KeyslotAreaInvalid, disk => Area(disk, "32767", "1")),
        ["area of 0 bytes"] = (ErrorIds.Luks2KeyslotAreaInvalid, disk => Area(disk, "290816", "0")),
        ["area of 2^64 - 1 bytes"] = (ErrorIds.Luks2KeyslotAreaInvalid, disk => Area(disk, "290816", Max)),
        ["area behind the last"] = (ErrorIds.Luks2KeyslotAreaInvalid, disk => Area(disk, "1064961", "258048")),
        ["two areas in one place"] = (ErrorIds.Luks2KeyslotAreasOverlap, disk => Area(disk, "32768", "258048")),
        ["one area inside another"] = (ErrorIds.Luks2KeyslotAreasOverlap, disk => Area(disk, "32769", "258047")),
        ["two areas that share a byte"] = (ErrorIds.Luks2KeyslotAreasOverlap, disk => Area(disk, "290815", "258048")),

        ["re-encryption required, but not described"] = (ErrorIds.Luks2ReencryptionInvalid, disk => Config(disk, config => config["requirements"] = Mandatory("online-reencrypt-v2"))),
        ["slot for re-encryption that is not required"] = (ErrorIds.Luks2ReencryptionInvalid, disk => disk.Edit(AddReencryptSlot)),
        ["slot for re-encryption of no known mode"] = (ErrorIds.Luks2KeyslotInvalid, disk => disk.Edit(json => { AddReencryptSlot(json); json["keyslots"]!["2"]!["mode"] = "scramble"; })),
        ["slot for re-encryption of no known direction"] = (ErrorIds.Luks2KeyslotInvalid, disk => disk.Edit(json => { AddReencryptSlot(json); json["keyslots"]!["2"]!["direction"] = "sideways"; })),
        ["slot for re-encryption with a key"] = (ErrorIds.Luks2KeyslotInvalid, disk => disk.Edit(json => { AddReencryptSlot(json); json["keyslots"]!["2"]!["key_size"] = 64; })),

        ["an unknown requirement"] = (ErrorIds.Luks2RequirementUnknown, disk => Config(disk, config => config["requirements"] = Mandatory("quantum"))),
        ["an unknown version of re-encryption"] = (ErrorIds.Luks2RequirementUnknown, disk => Config(disk, config => config["requirements"] = Mandatory("online-reencrypt-v9"))),
        ["an offline re-encryption"] = (ErrorIds.Luks2ReencryptionUnfinished, disk => Config(disk, config => config["requirements"] = Mandatory("offline-reencrypt"))),
        ["an online re-encryption"] = (ErrorIds.Luks2ReencryptionUnfinished, disk => disk.Edit(Reencrypt)),
        ["encryption by the drive"] = (ErrorIds.Luks2OpalUnsupported, disk => Config(disk, config => config["requirements"] = Mandatory("opal"))),
        ["tags in the drive's sectors"] = (ErrorIds.Luks2IntegrityUnsupported, disk => Config(disk, config => config["requirements"] = Mandatory("inline-hw-tags"))),
        ["an authenticated segment"] = (ErrorIds.Luks2IntegrityUnsupported, disk => Segment(disk, segment => segment["integrity"] = Integrity())),
        ["a segment of an unknown type"] = (ErrorIds.Luks2SegmentsUnsupported, disk => Segment(disk, segment => segment["type"] = "some_type")),
        ["two segments"] = (ErrorIds.Luks2SegmentsUnsupported, disk => disk.Edit(json => { json["segments"]!["0"]!["size"] = "4096"; json["segments"]!["1"] = Linear("1327104", "dynamic"); })),
        ["a cipher that is not known"] = (ErrorIds.CipherUnsupported, disk => Segment(disk, segment => segment["encryption"] = "aes-adiantum-plain64")),
        ["a cipher of the kernel's own syntax"] = (ErrorIds.CipherUnsupported, disk => Segment(disk, segment => segment["encryption"] = "capi:xts(aes)-plain64")),
        ["no cipher"] = (ErrorIds.CipherUnsupported, disk => Segment(disk, segment => segment["encryption"] = "cipher_null-ecb")),
        ["sectors of 1536"] = (ErrorIds.SectorSizeInvalid, disk => Segment(disk, segment => segment["sector_size"] = 1536)),
        ["sectors of 8192"] = (ErrorIds.SectorSizeInvalid, disk => Segment(disk, segment => segment["sector_size"] = 8192)),
        ["a digest of an unknown type"] = (ErrorIds.Luks2DigestUnsupported, disk => disk.Edit(json => json["digests"]!["0"]!["type"] = "sha3")),
        ["a digest with an unknown hash"] = (ErrorIds.HashUnsupported, disk => disk.Edit(json => json["digests"]!["0"]!["hash"] = "sha257")),
        ["a digest with 2^32-1 iterations"] = (ErrorIds.KdfCostTooHigh, disk => disk.Edit(json => json["digests"]!["0"]!["iterations"] = uint.MaxValue)),
        ["a digest with 0 iterations"] = (ErrorIds.KdfCostTooHigh, disk => disk.Edit(json => json["digests"]!["0"]!["iterations"] = 0)),
        ["a digest without salt"] = (ErrorIds.Luks2DigestInvalid, disk => disk.Edit(json => ((JsonObject)json["digests"]!["0"]!).Remove("salt"))),
        ["a digest with a salt that is no base64"] = (ErrorIds.Luks2DigestInvalid, disk => disk.Edit(json => json["digests"]!["0"]!["salt"] = "no base64!")),
        ["a digest with a short salt"] = (ErrorIds.Luks2DigestInvalid, disk => disk.Edit(json => json["digests"]!["0"]!["salt"] = "AAAA")),
        ["a digest that is empty"] = (ErrorIds.Luks2DigestInvalid, disk => disk.Edit(json => json["digests"]!["0"]!["digest"] = "AAAA")),
        ["a payload behind the end"] = (ErrorIds.LuksPayloadBeyondEnd, disk => Segment(disk, segment => segment["offset"] = "1099511627776")),
        ["a payload longer than the device"] = (ErrorIds.LuksPayloadBeyondEnd, disk => Segment(disk, segment => segment["size"] = "1099511627776")),
        ["a payload of 2^64 - 4096 bytes"] = (ErrorIds.LuksPayloadBeyondEnd, disk => Segment(disk, segment => segment["size"] = "18446744073709547520")),
        ["a payload in another device"] = (ErrorIds.Luks2PayloadElsewhere, disk => Segment(disk, segment => segment["offset"] = "0")),
    };

    public static IEnumerable<string> Names => s_rows.Keys;

    /// <summary>The header is valid, so it is described; only its use is refused.</summary>
    public static bool IsUnsupported(string name) =>
        Array.IndexOf([.. s_rows.Keys], name) >= Array.IndexOf([.. s_rows.Keys], "an unknown requirement");

    /// <summary>Changes the disk and returns the id that opening it must give.</summary>
    public static string Apply(string name, Luks2Disk disk)
    {
        (string errorId, Action<Luks2Disk> change) = s_rows[name];
        byte[] before = [.. disk.Bytes];
        change(disk);
        Assert.NotEqual(before, disk.Bytes);
        return errorId;
    }

    private static void Both(Luks2Disk disk, int offset, byte value)
    {
        disk.Copy(0)[offset] = value;
        disk.Copy(1)[offset] = value;
        disk.Seal(0).Seal(1);
    }

    private static void Slot(Luks2Disk disk, Action<JsonObject> change) => disk.Edit(json => change((JsonObject)json["keyslots"]!["1"]!));

    private static void Segment(Luks2Disk disk, Action<JsonObject> change) => disk.Edit(json => change((JsonObject)json["segments"]!["0"]!));

    private static void Config(Luks2Disk disk, Action<JsonObject> change) => disk.Edit(json => change((JsonObject)json["config"]!));

    private static void Area(Luks2Disk disk, string offset, string size) => Slot(disk, slot =>
    {
        slot["area"]!["offset"] = offset;
        slot["area"]!["size"] = size;
    });

    private static void Add(JsonNode array, string name) => array.AsArray().Add(name);

    private static void Rename(JsonObject json, string section, string from, string to)
    {
        JsonNode value = json[section]![from]!;
        ((JsonObject)json[section]!).Remove(from);
        json[section]![to] = value;
    }

    private static void AddDigest(JsonObject json, string slot)
    {
        json["digests"]!["1"] = json["digests"]!["0"]!.DeepClone();
        json["digests"]!["1"]!["keyslots"] = new JsonArray(slot);
    }

    private static JsonObject Linear(string offset, string size, params string[] flags) => new()
    {
        ["type"] = "linear",
        ["offset"] = offset,
        ["size"] = size,
        ["flags"] = new JsonArray([.. flags.Select(flag => JsonValue.Create(flag))]),
    };

    private static JsonObject Mandatory(params JsonNode[] requirements) => new() { ["mandatory"] = new JsonArray(requirements) };

    private static JsonObject Integrity() => new() { ["type"] = "hmac(sha256)", ["journal_encryption"] = "none", ["journal_integrity"] = "none" };

    private static void AddReencryptSlot(JsonObject json) => json["keyslots"]!["2"] = new JsonObject
    {
        ["type"] = "reencrypt",
        ["key_size"] = 1,
        ["mode"] = "reencrypt",
        ["direction"] = "forward",
        ["priority"] = 0,
        ["area"] = new JsonObject { ["type"] = "checksum", ["offset"] = "548864", ["size"] = "4096", ["hash"] = "sha256", ["sector_size"] = 4096 },
    };

    // As cryptsetup leaves it after "reencrypt --init-only".
    private static void Reencrypt(JsonObject json)
    {
        AddReencryptSlot(json);
        json["config"]!["requirements"] = Mandatory("online-reencrypt-v2");
        foreach ((string number, string flag) in new[] { ("1", "backup-previous"), ("2", "backup-final") })
        {
            json["segments"]![number] = json["segments"]!["0"]!.DeepClone();
            json["segments"]![number]!["flags"] = new JsonArray(flag);
            Add(json["digests"]!["0"]!["segments"]!, number);
        }
    }

    private static string Deep(Luks2Disk disk, int depth) =>
        disk.Text()[..^1] + ",\"x\":" + new string('[', depth - 1) + new string(']', depth - 1) + "}";

    private static string Filled(Luks2Disk disk, int length)
    {
        string text = disk.Text()[..^1] + ",\"x\":\"";
        return text + new string('x', length - text.Length - 2) + "\"}";
    }
}
