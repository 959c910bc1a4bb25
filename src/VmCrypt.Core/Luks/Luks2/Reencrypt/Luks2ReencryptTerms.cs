using System.Text.Json.Nodes;

namespace VmCrypt.Core.Luks.Luks2.Reencrypt;

/// <summary>What the key slot of the type <c>reencrypt</c> says: it holds no key, but how the payload is rewritten.</summary>
/// <param name="Resilience"><c>checksum</c>, <c>journal</c>, <c>none</c>, or one of these behind <c>datashift</c>.</param>
/// <param name="Hash">Of the checksums; null where there are none.</param>
/// <param name="BlockSize">Bytes under one checksum; 0 where there are none.</param>
/// <param name="Shift">Bytes by which the payload moves; 0 where it stays.</param>
internal sealed record Luks2ReencryptTerms(
    ReencryptionMode Mode, bool IsBackward, string Resilience, string? Hash = null, uint BlockSize = 0, ulong Shift = 0)
{
    public const string Checksum = "checksum";
    public const string Journal = "journal";
    public const string DataShift = "datashift";
    public const string DataShiftChecksum = DataShift + "-" + Checksum;
    public const string DataShiftJournal = DataShift + "-" + Journal;

    private const string Backward = "backward";
    private const string Forward = "forward";
    private const string ShiftSize = "shift_size";

    public bool UsesChecksums => Resilience is Checksum or DataShiftChecksum;

    public bool UsesJournal => Resilience is Journal or DataShiftJournal;

    public static Luks2ReencryptTerms Parse(Luks2Members slot, Luks2Members area)
    {
        if (slot.UInt32("key_size") != 1)
        {
            throw slot.Invalid("key_size", "1");
        }

        ReencryptionMode mode = slot.Text("mode") switch
        {
            "encrypt" => ReencryptionMode.Encrypt,
            "reencrypt" => ReencryptionMode.Reencrypt,
            "decrypt" => ReencryptionMode.Decrypt,
            _ => throw slot.Invalid("mode", "\"encrypt\", \"reencrypt\" or \"decrypt\""),
        };
        bool backward = slot.Text("direction") switch
        {
            Backward => true,
            Forward => false,
            _ => throw slot.Invalid("direction", "\"forward\" or \"backward\""),
        };
        var terms = new Luks2ReencryptTerms(mode, backward, area.Text("type"));
        if (terms.UsesChecksums)
        {
            terms = terms with { Hash = area.Text("hash"), BlockSize = area.UInt32("sector_size") };
            if (terms.BlockSize < Luks2Layout.SectorSize || !uint.IsPow2(terms.BlockSize))
            {
                throw area.Invalid("sector_size", $"a power of two from {Luks2Layout.SectorSize} on");
            }
        }

        // Beside checksums cryptsetup does not look at the shift before it uses it; a copy that it takes for good must be good here.
        return terms.Resilience.StartsWith(DataShift, StringComparison.Ordinal) && (!terms.UsesChecksums || area.Has(ShiftSize))
            ? terms with { Shift = ParseShift(area) }
            : terms;
    }

    public JsonObject ToJson(long offset, long size)
    {
        var area = new JsonObject
        {
            ["offset"] = Luks2Words.TextOf(offset),
            ["size"] = Luks2Words.TextOf(size),
            ["type"] = Resilience,
        };
        if (UsesChecksums)
        {
            area["hash"] = Hash;
            area["sector_size"] = (long)BlockSize;
        }

        if (Shift > 0)
        {
            area[ShiftSize] = Luks2Words.TextOf((long)Shift);
        }

        return new JsonObject
        {
            ["type"] = Luks2Keyslot.ReencryptType,
            ["key_size"] = 1,
            ["mode"] = Mode.ToString().ToLowerInvariant(),
            ["direction"] = IsBackward ? Backward : Forward,
            ["priority"] = (int)KeySlotPriority.Ignore,
            ["area"] = area,
        };
    }

    private static ulong ParseShift(Luks2Members area) =>
        area.UInt64(ShiftSize) is var shift and > 0 && shift % Luks2Layout.SectorSize == 0
            ? shift
            : throw area.Invalid(ShiftSize, $"a positive multiple of {Luks2Layout.SectorSize}");
}
