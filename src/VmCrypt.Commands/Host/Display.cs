using System.Globalization;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Keys.Store.Protectors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Proof;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Host;

/// <summary>Texts for the views of VmCrypt.Format.ps1xml: each makes a line or several of one property.</summary>
public static class Display
{
    public static string? Size(long? bytes) => bytes is > 1023 ? $"{ByteSize.Format(bytes)} ({bytes} bytes)" : ByteSize.Format(bytes);

    public static string? Bits(long? bits) => bits is null ? null : $"{bits} bits";

    public static string? Memory(long kibibytes) => kibibytes > 0 ? ByteSize.Format(kibibytes * 1024) : null;

    /// <summary>A moment to the minute, in local time.</summary>
    public static string? Day(DateTimeOffset? moment) => moment?.LocalDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);

    public static string Kinds(KeyProtectorFacts[] protectors) => string.Join(", ", protectors.Select(protector => protector.Kind));

    public static string Numbers(int[] numbers) => string.Join(", ", numbers);

    /// <summary>The header in a line; what only LUKS2 has in lines of its own, where there is something to say.</summary>
    public static string? Header(LuksFacts? luks) => luks is null ? null : Lines(
    [
        $"{LuksVersions.NameOf(luks.Version)}, {luks.Hash}, payload at {luks.PayloadOffset} in sectors of {luks.SectorSize}, UUID {luks.Uuid}",
        .. Named("label", luks.Label),
        .. Named("subsystem", luks.Subsystem),
        .. Named("flags", string.Join(", ", luks.Flags)),
        .. Named("requires", string.Join(", ", luks.Requirements)),
        .. Named("damaged copy:", luks.DamagedCopy?.Message),
    ]);

    public static string? Slots(LuksFacts? luks) =>
        luks is null ? null : Lines(luks.Slots.Where(slot => slot.IsActive).Select(slot => string.Join(", ", SlotParts(slot, luks))));

    public static string? Container(Qcow2Facts? qcow2) => qcow2 is null
        ? null
        : $"version {qcow2.Version}, clusters of {ByteSize.Format(qcow2.ClusterSize)}, {qcow2.RefcountBits}-bit refcounts"
            + (qcow2.ExtendedL2 ? ", extended L2" : string.Empty)
            + (qcow2.DataFile is { } data ? $", data in {data}" : string.Empty)
            + (qcow2.IsDirty ? ", not closed in order" : string.Empty)
            + (qcow2.IsCorrupt ? ", marked corrupt" : string.Empty);

    /// <summary>The backing chain, nearest first.</summary>
    public static string? Chain(ImageDescription? backing)
    {
        var links = new List<string>();
        for (ImageDescription? link = backing; link is not null; link = link.Backing)
        {
            links.Add($"{link.Path} ({link.Format}, {(link.IsEncrypted ? "encrypted" : "plain")})");
        }

        return Lines(links);
    }

    public static string? Snapshots(IReadOnlyList<Qcow2Snapshot> snapshots) =>
        Lines(snapshots.Select(snapshot => $"{snapshot.Id}: {snapshot.Name}, {snapshot.Taken.LocalDateTime:yyyy-MM-dd HH:mm:ss}, {ByteSize.Format(snapshot.DiskSize)}"));

    public static string? Texts(string[] texts) => Lines(texts);

    public static string? Copies(IReadOnlyList<KeyCopy> copies) => Lines(copies.Select(copy => copy.Message));

    public static string? Weaknesses(IReadOnlyList<Weakness> weaknesses) => Lines(weaknesses.Select(weakness => weakness.Message));

    /// <summary>What bytes look like, in the order of how bad that is; what there is nothing of is left out.</summary>
    public static string Bytes(ProofBytes bytes) => string.Join(", ", new (string Name, long Count)[]
    {
        ("plain", bytes.Plain), ("weak", bytes.Weak), ("unchecked", bytes.Unchecked), ("ciphertext", bytes.Ciphertext),
        ("header", bytes.Header), ("metadata", bytes.Metadata), ("zeros", bytes.Zero), ("holes", bytes.Hole),
    }.Where(part => part.Count > 0).Select(part => $"{ByteSize.Format(part.Count)} {part.Name}"));

    public static string? Ciphertext(ProofBytes bytes) => ByteSize.Format(bytes.Ciphertext);

    public static string? Plain(ProofBytes bytes) => ByteSize.Format(bytes.Plain);

    public static string? Layers(LayerProof[] layers) =>
        Lines(layers.Select(layer => $"{layer.Path} ({layer.Role}, {layer.Format}, {layer.Cipher ?? "plain"}): {layer.Verdict}; {Bytes(layer.Bytes)}"));

    public static string? Findings(ProofFinding[] findings) => Lines(findings.Select(finding =>
        $"{finding.Kind} in {System.IO.Path.GetFileName(finding.Path)} at {finding.HostOffset} (+{ByteSize.Format(finding.Length)}), {finding.Use}"
            + (finding.GuestOffset is { } guest ? $", disk offset {guest}" : string.Empty)
            + (finding.Detail is { } detail ? $": {detail}" : string.Empty)));

    /// <summary>An unfinished conversion in place.</summary>
    public static string? Conversion(ReencryptionFacts? facts) => facts is null
        ? null
        : string.Create(System.Globalization.CultureInfo.InvariantCulture,
            $"{facts.Mode}, {facts.Percent:0.0} % of {ByteSize.Format(facts.TotalBytes)}, protected by {facts.Resilience}{(facts.WasInterrupted ? ", interrupted while writing" : string.Empty)}");

    /// <summary>An unfinished conversion of an image and all those behind it.</summary>
    public static string? ChainConversion(ChainFacts? facts) => facts is null ? null : $"{facts.Mode}, {facts.Done} of {facts.Layers} layers";

    public static string? Reason(Exception? exception) => exception?.Message;

    private static IEnumerable<string> SlotParts(KeySlotFacts slot, LuksFacts luks)
    {
        yield return $"{slot.Number}: {slot.Kdf} {slot.Hash}";
        yield return $"{slot.Iterations} {(slot.MemoryKiB > 0 ? "passes" : "iterations")}";
        if (slot.MemoryKiB > 0)
        {
            yield return $"{Memory(slot.MemoryKiB)} in {slot.Parallelism} {(slot.Parallelism == 1 ? "lane" : "lanes")}";
        }

        if (slot.Priority != KeySlotPriority.Normal)
        {
            yield return slot.Priority == KeySlotPriority.Prefer ? "preferred" : "ignored unless named";
        }

        if (!slot.IsBound)
        {
            yield return "a key of its own";
        }

        foreach (KeyTokenFacts token in luks.Tokens.Where(token => slot.Tokens.Contains(token.Number)))
        {
            yield return $"token {token.Number} ({token.Type})";
        }
    }

    private static IEnumerable<string> Named(string name, string? text) => string.IsNullOrEmpty(text) ? [] : [$"{name} {text}"];

    private static string? Lines(IEnumerable<string> lines) => string.Join('\n', lines) is { Length: > 0 } text ? text : null;
}
