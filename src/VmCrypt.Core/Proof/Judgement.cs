using VmCrypt.Core.Proof.Walk;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Proof;

/// <summary>Makes a verdict of what was seen.</summary>
internal static class Judgement
{
    public static ImageProof Of(DiskStack disk, IReadOnlyList<(ProofLayer Layer, LayerTally Tally)> walked, ProofNotes notes)
    {
        LayerProof[] layers = [.. walked.Select(pair => Of(pair.Layer, pair.Tally))];
        ProofBytes bytes = layers.Aggregate(new ProofBytes(), (sum, layer) => sum + layer.Bytes);
        bool complete = notes.Missing is null && walked.All(pair => pair.Layer.Defects.Count == 0);
        ProofVerdict verdict = Join([.. layers.Where(layer => layer.Role != LayerRole.Header || layer.Bytes.Plain > 0)], complete);
        ProofConfidence confidence = ConfidenceOf(verdict, layers, bytes, notes);
        return new ImageProof
        {
            Path = disk.Location.Text,
            Verdict = verdict,
            Confidence = confidence,
            Summary = ProofSentences.Summary(verdict, confidence, bytes),
            Layers = layers,
            Bytes = bytes,
            Findings = [.. walked.SelectMany(pair => pair.Tally.Findings.Kept)],
            FindingsOmitted = walked.Sum(pair => pair.Tally.Findings.Omitted),
            Weaknesses = [.. disk.Active.Chain().SelectMany(image => Weaknesses.Of(image, image.DiskSize))],
            Luks = disk.Luks?.Facts,
            Checked = [.. ProofSentences.Checked(layers, notes)],
            NotChecked = [.. ProofSentences.NotChecked(layers, bytes, notes)],
        };
    }

    private static LayerProof Of(ProofLayer layer, LayerTally tally) => new()
    {
        Path = layer.Location.Text,
        Role = layer.Role,
        Format = layer.Format,
        Encryption = layer.Encryption,
        Cipher = layer.Cipher,
        Verdict = VerdictOf(layer.Encryption, tally),
        Length = layer.File.Length,
        Bytes = tally.Bytes,
        Map = tally.Map,
        EntropyHistogram = tally.EntropyHistogram,
        OpenedSlot = layer.Key?.Slot,
        KeyProven = layer.Key?.IsProven == true,
    };

    private static ProofVerdict VerdictOf(EncryptionPlacement declared, LayerTally tally)
    {
        ProofBytes bytes = tally.Bytes;
        bool repeats = bytes.Weak > 0 || tally.Findings.Kept.Any(finding => finding.Kind == FindingKind.RepeatedSector);
        return (declared, bytes) switch
        {
            (EncryptionPlacement.None, { Plain: > 0 }) => ProofVerdict.Plain,
            (EncryptionPlacement.None, { Ciphertext: > 0 } or { Weak: > 0 } or { Unchecked: > 0 }) => ProofVerdict.Unproven,
            (EncryptionPlacement.None, _) => ProofVerdict.Plain,
            (_, { Plain: > 0, Ciphertext: 0, Weak: 0 }) => ProofVerdict.Plain,
            (_, { Plain: > 0 }) => ProofVerdict.Mixed,
            (_, { Unchecked: > 0 }) => ProofVerdict.Unproven,
            (EncryptionPlacement.LegacyAes, _) => ProofVerdict.Legacy,
            _ => repeats ? ProofVerdict.Weak : ProofVerdict.Encrypted,
        };
    }

    private static ProofVerdict Join(LayerProof[] layers, bool complete)
    {
        // An external data file's own image holds tables alone, and an overlay may hold nothing yet: what is empty decides nothing.
        LayerProof[] stored = [.. layers.Where(layer => layer.Bytes is { Ciphertext: > 0 } or { Plain: > 0 } or { Weak: > 0 } or { Unchecked: > 0 })];
        ProofVerdict[] verdicts = [.. (stored.Length > 0 ? stored : layers).Select(layer => layer.Verdict)];
        bool someDeclared = layers.Any(layer => layer.Encryption != EncryptionPlacement.None);
        ProofVerdict worst = verdicts.Max();
        if (worst == ProofVerdict.Plain && (verdicts.Any(verdict => verdict != ProofVerdict.Plain) || (someDeclared && stored.Length > 0 && layers.Any(IsSound))))
        {
            return ProofVerdict.Mixed;
        }

        return !complete && worst < ProofVerdict.Unproven ? ProofVerdict.Unproven : worst;

        static bool IsSound(LayerProof layer) => layer.Encryption != EncryptionPlacement.None && layer.Verdict != ProofVerdict.Plain;
    }

    private static ProofConfidence ConfidenceOf(ProofVerdict verdict, LayerProof[] layers, ProofBytes bytes, ProofNotes notes)
    {
        if (verdict is ProofVerdict.Plain or ProofVerdict.Mixed)
        {
            return ProofConfidence.Observed;
        }

        if (verdict == ProofVerdict.Unproven)
        {
            return ProofConfidence.LooksRandom;
        }

        LayerProof[] keyed = [.. layers.Where(layer => layer.Role != LayerRole.Header)];
        if (!notes.KeysGiven || notes.Unopened.Count > 0)
        {
            return ProofConfidence.Declared;
        }

        bool structured = keyed.All(layer => layer.Bytes.Ciphertext == 0 || layer.Bytes.Structured > 0) && bytes.Structured > 0;
        return structured ? notes.Full ? ProofConfidence.Full : ProofConfidence.Sampled
            : keyed.All(layer => layer.KeyProven) ? ProofConfidence.KeyOpens
            : ProofConfidence.Declared;
    }
}
