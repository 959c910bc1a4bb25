using System.Globalization;
using System.Text;
using VmCrypt.Core.Luks;
using static VmCrypt.Core.Reports.Html;

namespace VmCrypt.Core.Proof.Report;

/// <summary>Renders a proof as one page of HTML that needs nothing but itself.</summary>
internal static class ProofPage
{
    // Of each kind and file; fifty alike would push all else out of sight.
    private const int MaxRows = 8;

    public static string Render(ImageProof proof)
    {
        var page = new StringBuilder(HeadSection(proof));
        page.Append(CultureInfo.InvariantCulture, $"<p class=\"summary\">{Text(proof.Summary)}</p>\n");
        page.Append(FactSection(proof)).Append(ProofDrawing.Symbols);
        foreach (LayerProof layer in proof.Layers)
        {
            page.Append(LayerSection(layer));
        }

        page.Append(FindingSection(proof)).Append(SlotSection(proof)).Append(WeaknessSection(proof));
        page.Append("<div class=\"columns\">").Append(SentenceSection("What was checked", proof.Checked)).Append(SentenceSection("What was not", proof.NotChecked)).Append("</div>\n");
        page.Append("<footer>Made by VmCrypt from the bytes that the files stored at that time. <code>docs/proof.md</code> tells what such a test can prove, and what none can.</footer>");
        return Page($"Encryption of {Path.GetFileName(proof.Path)}", page.ToString(), Resource(typeof(ProofPage), "report.css"));
    }

    private static string HeadSection(ImageProof proof) => Header(
        "Proof of encryption", $"<bdi>{Text(proof.Path)}</bdi><br>Tested {Time(proof.Started)}", proof.Verdict.ToString(), Look(proof.Verdict));

    private static string FactSection(ImageProof proof)
    {
        string confidence = proof.Confidence switch
        {
            ProofConfidence.Observed => "plain data were seen",
            ProofConfidence.Full => "the key opens it, and all of it was decrypted",
            ProofConfidence.Sampled => "the key opens it, and samples were decrypted",
            ProofConfidence.KeyOpens => "the key opens it; what was decrypted shows no structure",
            ProofConfidence.Declared => "a header says so, and nothing contradicts it; only the key could prove more",
            ProofConfidence.LooksRandom => "the bytes look random, and no header says why",
            _ => "nothing was looked at",
        };
        ProofBytes bytes = proof.Bytes;
        string decrypted = string.Create(CultureInfo.InvariantCulture, $"{Bytes(bytes.Decrypted)}, of which {Bytes(bytes.Structured)} have the structure of data");
        return "<div class=\"columns\">" + List("Result",
                ("Confidence", $"{proof.Confidence}: {confidence}"),
                ("Findings", proof.FindingCount.ToString(CultureInfo.InvariantCulture)),
                ("In use", proof.InUse ? "yes: a writer had the image open, so it may have changed meanwhile" : null))
            + List("Test",
                ("Took", Duration((long)proof.Duration.TotalMilliseconds)),
                ("Looked at", Bytes(bytes.Total - bytes.Hole) + " stored, " + Bytes(bytes.Hole) + " not stored"),
                ("Decrypted", bytes.Decrypted > 0 ? decrypted : null),
                ("Seed", bytes.Decrypted > 0 ? proof.Seed.ToString(CultureInfo.InvariantCulture) : null)) + "</div>\n";
    }

    private static string LayerSection(LayerProof layer)
    {
        string role = layer.Role switch
        {
            LayerRole.Active => "Image",
            LayerRole.DataFile => "Data file of",
            LayerRole.Header => "Header of",
            _ => "Backing image",
        };
        string histogram = ProofDrawing.Histogram(layer.EntropyHistogram);
        return $"<h3>{role} <bdi>{Text(layer.Path)}</bdi></h3>\n<div class=\"sub\">{layer.Format}, {Bytes(layer.Length)}, {Text(layer.Cipher ?? "declares no encryption")}: "
            + $"<span class=\"badge {Look(layer.Verdict)}\">{layer.Verdict}</span></div>\n"
            + ProofDrawing.Map(layer) + ProofDrawing.Legend(layer.Bytes)
            + (histogram.Length > 0 ? $"<h2>Collision entropy of blocks of 4096 bytes, in bits per byte</h2>{histogram}" : string.Empty);
    }

    private static string FindingSection(ImageProof proof)
    {
        if (proof.Findings.Length == 0)
        {
            return "<h3>Findings</h3><p>None.</p>\n";
        }

        ProofFinding[] shown = [.. proof.Findings.GroupBy(finding => (finding.Path, finding.Kind)).SelectMany(alike => alike.Take(MaxRows))];
        IEnumerable<string> rows = shown.Select(finding =>
            $"<tr><td class=\"badge\">{finding.Kind}</td><td><bdi>{Text(Path.GetFileName(finding.Path))}</bdi></td>{Number(finding.HostOffset)}{Number(finding.Length)}"
            + $"{Number(finding.GuestOffset)}<td>{finding.Use}</td><td>{Text(finding.Detail ?? string.Empty)}</td></tr>");
        string more = shown.Length < proof.FindingCount
            ? $"<p class=\"sub\">And {proof.FindingCount - shown.Length} more: of each kind and file the first {MaxRows} are shown here.</p>"
            : string.Empty;
        return "<h3>Findings</h3><div class=\"scroll\"><table><tr><th>Kind</th><th>File</th><th class=\"number\">Offset in the file</th><th class=\"number\">Bytes</th>"
            + $"<th class=\"number\">Offset on the disk</th><th>Part of the file</th><th>What</th></tr>{string.Concat(rows)}</table></div>{more}\n";
    }

    private static string SlotSection(ImageProof proof)
    {
        if (proof.Luks is not { } luks)
        {
            return string.Empty;
        }

        int? opened = proof.Layers.FirstOrDefault()?.OpenedSlot;
        IEnumerable<string> rows = luks.Slots.Where(slot => slot.IsActive).Select(slot => $"<tr>{Number(slot.Number)}<td>{Text(Cost(slot))}</td><td>{Text(slot.Hash)}</td>"
            + $"{Number(slot.AreaOffset)}{Number(slot.AreaLength)}<td>{(slot.Number == opened ? "opened by this test" : slot.IsBound ? "not tried" : "a key of its own")}</td></tr>");
        return $"<h3>Key slots</h3><div class=\"sub\">{LuksVersions.NameOf(luks.Version)} {Text(luks.Uuid)}, {Text(luks.Cipher)}, {luks.KeySize * 8} bits, {Text(luks.Hash)}</div>"
            + "<div class=\"scroll\"><table><tr><th class=\"number\">Slot</th><th>Derivation</th><th>Hash</th><th class=\"number\">Offset in the header</th><th class=\"number\">Bytes</th><th>State</th></tr>"
            + $"{string.Concat(rows)}</table></div>\n";
    }

    private static string Cost(KeySlotFacts slot) => slot.MemoryKiB > 0
        ? $"{slot.Kdf}, {slot.Iterations} passes over {Bytes(slot.MemoryKiB * 1024)}, {slot.Parallelism} lanes"
        : $"{slot.Kdf}, {slot.Iterations} iterations";

    private static string WeaknessSection(ImageProof proof) => proof.Weaknesses.Length == 0
        ? string.Empty
        : SentenceSection("Weaknesses of headers and layout", [.. proof.Weaknesses.Select(weakness => weakness.Message)]);

    private static string SentenceSection(string title, string[] sentences) =>
        $"<section><h2>{title}</h2><ul>{string.Concat(sentences.Select(sentence => $"<li>{Text(sentence)}</li>"))}</ul></section>";

    private static string Number(long? value) => $"<td class=\"number\">{(value is { } number ? number.ToString(CultureInfo.InvariantCulture) : "–")}</td>";

    private static string Look(ProofVerdict verdict) => verdict switch
    {
        ProofVerdict.Encrypted => "good",
        ProofVerdict.Unproven or ProofVerdict.Legacy or ProofVerdict.Weak => "fair",
        _ => "poor",
    };
}
