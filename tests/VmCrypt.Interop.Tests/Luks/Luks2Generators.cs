using System.Text;
using System.Text.Json.Nodes;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Luks.Luks2;

namespace VmCrypt.Interop.Tests.Luks;

/// <summary>What cryptsetup's own header generators make (tests/generators), each said again as a change of a disk of ours.</summary>
/// <remarks>
/// The names are theirs. The disk has eight slots of 512 bits, slot 1 with argon2id, the others with pbkdf2. Unless a row says
/// otherwise the change is in the first copy, and the second is destroyed, so that nothing else can save the header.
/// </remarks>
internal static class Luks2Generators
{
    private const int AreaSize = 258048;

    /// <summary>Rows on the common disk, and whether the header is to be accepted.</summary>
    public static IReadOnlyDictionary<string, (bool Accepted, Action<Luks2Disk> Change)> Rows { get; } =
        new Dictionary<string, (bool, Action<Luks2Disk>)>(StringComparer.Ordinal)
        {
            ["invalid-checksum-hdr0"] = (true, disk => disk.Copy(0)[448] ^= 0xFF),
            ["invalid-checksum-hdr1"] = (true, disk => disk.Copy(1)[448] ^= 0xFF),
            ["invalid-checksum-both-hdrs"] = (false, disk => { disk.Copy(0)[448] ^= 0xFF; disk.Copy(1)[448] ^= 0xFF; }),
            ["corrupted-hdr0-with-correct-chks"] = (true, disk => Corrupt(disk, 0)),
            ["corrupted-hdr1-with-correct-chks"] = (true, disk => Corrupt(disk, 1)),
            ["correct-full-json0"] = (true, disk => Alone(disk, d => d.Put(Filled(d, d.HeaderSize - 4096 - 1)))),
            ["argon2-leftover-params"] = (true, disk => Alone(disk, d => Kdf(d, "1", ("type", "pbkdf2"), ("iterations", 1001), ("hash", "sha256")))),
            ["pbkdf2-leftover-params-0"] = (true, disk => Alone(disk, d => Kdf(d, "2", ("type", "argon2i"), ("time", 4), ("memory", 32), ("cpus", 1)))),
            ["pbkdf2-leftover-params-1"] = (true, disk => Alone(disk, d => Kdf(d, "2", ("type", "argon2id"), ("time", 4), ("memory", 32), ("cpus", 1)))),

            ["non-null-byte-beyond-json0"] = (false, disk => Alone(disk, d => d.Put(d.Text() + "X"))),
            ["non-null-bytes-beyond-json0"] = (false, disk => Alone(disk, d => d.Put(d.Text() + new string('\0', 20) + "a quotation"))),
            ["missing-trailing-null-byte-json0"] = (false, disk => Alone(disk, d => d.Put(Filled(d, d.HeaderSize - 4096)))),
            ["invalid-opening-char-json0"] = (false, disk => Alone(disk, d => d.Put(" " + d.Text()))),
            ["invalid-object-type-json0"] = (false, disk => Alone(disk, d => d.Put($"[{d.Text()}]"))),
            ["overlapping-areas-c0-json0"] = (false, disk => Area(disk, "7", (offset, size) => (Start(6), size))),
            ["overlapping-areas-c1-json0"] = (false, disk => Area(disk, "7", (offset, size) => (Start(6) + 1, size - 1))),
            ["overlapping-areas-c2-json0"] = (false, disk => Area(disk, "7", (offset, size) => (Start(7) - 1, size))),
            ["area-in-json-hdr-space-json0"] = (false, disk => Area(disk, "0", (_, _) => (32767, 1))),
            ["missing-keyslot-referenced-in-digest"] = (false, disk => Edit(disk, json => json["digests"]!["0"]!["keyslots"]!.AsArray().Add("8"))),
            ["missing-segment-referenced-in-digest"] = (false, disk => Edit(disk, json => json["digests"]!["0"]!["segments"]!.AsArray().Add("1"))),
            ["missing-keyslot-referenced-in-token"] = (false, disk => Edit(disk, json => json["tokens"]!["0"] = Token("0", "8"))),
            ["keyslot-missing-digest"] = (false, disk => Edit(disk, json => json["digests"]!["0"]!["keyslots"]!.AsArray().RemoveAt(0))),
            ["keyslot-too-many-digests"] = (false, disk => Edit(disk, json =>
            {
                json["digests"]!["1"] = json["digests"]!["0"]!.DeepClone();
                json["digests"]!["1"]!["keyslots"] = new JsonArray("1");
            })),

            ["uint64-max-segment-size"] = (true, disk => Segment(disk, segment => segment["size"] = "18446744073709547520")),
            ["uint64-overflow-segment-size"] = (false, disk => Segment(disk, segment => segment["size"] = "18446744073709551616")),
            ["uint64-signed-segment-size"] = (false, disk => Segment(disk, segment => segment["size"] = "-512")),

            ["segment-missing-type"] = (false, disk => Segment(disk, segment => segment.Remove("type"))),
            ["segment-wrong-type"] = (false, disk => Segment(disk, segment => segment["type"] = 42)),
            ["segment-missing-offset"] = (false, disk => Segment(disk, segment => segment.Remove("offset"))),
            ["segment-wrong-offset"] = (false, disk => Segment(disk, segment => segment["offset"] = "-42")),
            ["segment-missing-size"] = (false, disk => Segment(disk, segment => segment.Remove("size"))),
            ["segment-wrong-size-0"] = (false, disk => Segment(disk, segment => segment["size"] = 4096)),
            ["segment-wrong-size-1"] = (false, disk => Segment(disk, segment => segment["size"] = "automatic")),
            ["segment-wrong-size-2"] = (false, disk => Segment(disk, segment => segment["size"] = "511")),
            ["segment-crypt-missing-encryption"] = (false, disk => Segment(disk, segment => segment.Remove("encryption"))),
            ["segment-crypt-wrong-encryption"] = (false, disk => Segment(disk, segment => segment["encryption"] = new JsonObject())),
            ["segment-crypt-missing-ivoffset"] = (false, disk => Segment(disk, segment => segment.Remove("iv_tweak"))),
            ["segment-crypt-wrong-ivoffset"] = (false, disk => Segment(disk, segment => segment["iv_tweak"] = "dynamic")),
            ["segment-crypt-missing-sectorsize"] = (false, disk => Segment(disk, segment => segment.Remove("sector_size"))),
            ["segment-crypt-wrong-sectorsize-0"] = (false, disk => Segment(disk, segment => segment["sector_size"] = 1023)),
            ["segment-crypt-wrong-sectorsize-1"] = (false, disk => Segment(disk, segment => segment["sector_size"] = "4096")),
            ["segment-crypt-wrong-sectorsize-2"] = (false, disk => Segment(disk, segment => segment["sector_size"] = -1024)),
            ["segment-unknown-type"] = (true, disk => Segment(disk, segment =>
            {
                segment["type"] = "some_type";
                segment["a_field"] = 0;
                foreach (string member in new[] { "iv_tweak", "encryption", "sector_size" })
                {
                    segment.Remove(member);
                }
            })),
            ["segment-two"] = (true, disk => Edit(disk, json =>
            {
                json["segments"]!["0"]!["size"] = "4096";
                json["segments"]!["1"] = Plain("some", Payload + 4096, "dynamic");
            })),
            ["segment-wrong-flags"] = (false, disk => Segment(disk, segment => segment["flags"] = "hello")),
            ["segment-wrong-flags-element"] = (false, disk => Segment(disk, segment => segment["flags"] = new JsonArray("hello", 1))),
            ["segment-wrong-backup-key-0"] = (false, disk => Edit(disk, json => json["segments"]!["2"] = Backup())),
            ["segment-wrong-backup-key-1"] = (false, disk => Edit(disk, json =>
            {
                foreach (int number in Enumerable.Range(1, 64))
                {
                    json["segments"]![$"{number}"] = Plain("linear", Payload + 512, "512");
                }

                json["segments"]!["268435472"] = Backup();
            })),
            ["segment-crypt-empty-encryption"] = (false, disk => Segment(disk, segment => segment["encryption"] = "")),

            ["invalid-keyslots-size-c0"] = (false, disk => Config(disk, config => config["keyslots_size"] = $"{Payload - 32768 + 4096}")),
            ["invalid-keyslots-size-c1"] = (false, disk => Config(disk, config => config["keyslots_size"] = $"{Payload - 32768 - 1}")),
            ["invalid-keyslots-size-c2"] = (false, disk => Config(disk, config => config["keyslots_size"] = $"{(8 * AreaSize) - 4096}")),
            ["invalid-json-size-c0"] = (false, disk => Config(disk, config => config["json_size"] = "16384")),
            ["invalid-json-size-c1"] = (false, disk => Config(disk, config => config["json_size"] = "8192")),

            ["invalid-tokens"] = (false, disk => disk.Edit(json => json["tokens"] = 42)),
            ["invalid-top-objects"] = (false, disk => disk.Edit(json =>
            {
                json["tokens"] = 42;
                json["digests"] = 42;
                json["keyslots"] = new JsonArray();
                json["segments"] = "hi";
            })),
            ["keyslot-invalid-area"] = (false, disk => disk.Edit(json => json["keyslots"]!["0"]!["area"] = 42)),
            ["keyslot-invalid-area-size"] = (false, disk => disk.Edit(json => json["keyslots"]!["0"]!["area"]!["size"] = "18446744073709551615")),
            ["keyslot-invalid-objects"] = (false, disk => disk.Edit(json => { json["keyslots"]!["0"]!["kdf"] = 42; json["keyslots"]!["0"]!["af"] = 42; })),
            ["keyslot-invalid-af"] = (false, disk => disk.Edit(json => json["keyslots"]!["0"]!["af"]!["type"] = 42)),
        };

    /// <summary>Rows on a disk whose copies have the size in the name.</summary>
    public static IReadOnlyDictionary<string, (int Size, bool Accepted, Action<Luks2Disk> Change)> SizeRows { get; } = MakeSizeRows();

    public static LuksFormatOptions Options { get; } =
        LuksDisk.QuickLuks2 with { KeyslotsSize = 8 * AreaSize, PayloadAlignment = 4096 };

    private static long Payload => 32768 + (8 * AreaSize);

    /// <summary>The metadata is not as short as it could be, and a token is there to be removed.</summary>
    public static void Widen(Luks2Disk disk, bool toWholeBlock)
    {
        disk.Edit(json => json["tokens"]!["0"] = new JsonObject { ["type"] = "a", ["keyslots"] = new JsonArray() });
        string text = disk.Text();
        int spaces = toWholeBlock ? 4096 - (Encoding.UTF8.GetByteCount(text) % 4096) : 1;
        int at = text.IndexOf("\"type\":\"luks2\"", StringComparison.Ordinal) + "\"type\":".Length;
        disk.Put(text[..at] + new string(' ', spaces) + text[at..]);
    }

    private static Dictionary<string, (int Size, bool Accepted, Action<Luks2Disk> Change)> MakeSizeRows()
    {
        var rows = new Dictionary<string, (int, bool, Action<Luks2Disk>)>(StringComparer.Ordinal);
        foreach ((string name, int size) in new[]
        {
            ("16k", 0x4000), ("32k", 0x8000), ("64k", 0x10000), ("128k", 0x20000), ("256k", 0x40000),
            ("512k", 0x80000), ("1m", 0x100000), ("2m", 0x200000), ("4m", 0x400000),
        })
        {
            rows[$"metadata-size-{name}"] = (size, true, disk => disk.Kill(1));
            rows[$"metadata-size-{name}-secondary"] = (size, true, disk => disk.Kill(0));
        }

        rows["metadata-size-64k-inv-area-c0"] = (0x10000, false, disk => Shift(disk, -1));
        rows["metadata-size-64k-inv-area-c1"] = (0x10000, false, disk => Area(disk, "0", (_, size) => ((2 * 0x10000) + (8 * AreaSize) - size + 1, size)));
        rows["metadata-size-64k-inv-keyslots-size-c0"] = (0x10000, false, disk => Config(disk, config => config["keyslots_size"] = $"{(8 * AreaSize) + 4096}"));
        rows["metadata-size-invalid"] = (0x100000, false, disk => { disk.Put64(8, 0x40000000); disk.Kill(1); });
        rows["metadata-size-invalid-secondary"] = (0x100000, false, disk => { disk.Put64(8, 0x100000, 0x40000000); disk.Kill(0); });
        rows["invalid-json-size-c2"] = (0x8000, false, disk => disk.Edit(json => json["config"]!["json_size"] = "12288"));
        return rows;
    }

    private static long Start(int slot) => 32768 + (slot * AreaSize);

    private static void Alone(Luks2Disk disk, Action<Luks2Disk> change)
    {
        change(disk);
        disk.Kill(1);
    }

    private static void Edit(Luks2Disk disk, Action<JsonObject> change) => Alone(disk, d => d.Edit(change));

    private static void Segment(Luks2Disk disk, Action<JsonObject> change) => Edit(disk, json => change((JsonObject)json["segments"]!["0"]!));

    private static void Config(Luks2Disk disk, Action<JsonObject> change) => Edit(disk, json => change((JsonObject)json["config"]!));

    private static void Area(Luks2Disk disk, string slot, Func<long, long, (long Offset, long Size)> change) => Edit(disk, json =>
    {
        JsonNode area = json["keyslots"]![slot]!["area"]!;
        (long offset, long size) = change(long.Parse(area["offset"]!.GetValue<string>()), long.Parse(area["size"]!.GetValue<string>()));
        area["offset"] = $"{offset}";
        area["size"] = $"{size}";
    });

    private static void Shift(Luks2Disk disk, long by) => Area(disk, "0", (offset, size) => (offset + by, size));

    private static void Kdf(Luks2Disk disk, string slot, params (string Member, JsonNode Value)[] members) => disk.Edit(json =>
    {
        foreach ((string member, JsonNode value) in members)
        {
            json["keyslots"]![slot]!["kdf"]![member] = value;
        }
    });

    private static JsonObject Token(params string[] slots) =>
        new() { ["type"] = "dummy", ["keyslots"] = new JsonArray([.. slots.Select(slot => JsonValue.Create(slot))]) };

    private static JsonObject Plain(string type, long offset, string size) => new() { ["type"] = type, ["offset"] = $"{offset}", ["size"] = size };

    private static JsonObject Backup()
    {
        JsonObject segment = Plain("linear", 512, "512");
        segment["flags"] = new JsonArray("backup-x");
        return segment;
    }

    // A text that goes on to the end of its area, but is no JSON.
    private static void Corrupt(Luks2Disk disk, int copy)
    {
        string text = disk.Text(copy)[..^1] + ",\"";
        Span<byte> area = disk.JsonArea(copy);
        area.Fill((byte)'w');
        Encoding.UTF8.GetBytes(text).CopyTo(area);
        disk.Seal(copy);
    }

    private static string Filled(Luks2Disk disk, int length)
    {
        string text = disk.Text()[..^1] + ",\"fill\":\"";
        return text + new string('X', length - text.Length - 2) + "\"}";
    }
}
