using VmCrypt.Core.Proof.Content;

namespace VmCrypt.Core.Proof;

/// <summary>What a test has to say, in words.</summary>
internal static class ProofSentences
{
    public static string Summary(ProofVerdict verdict, ProofConfidence confidence, ProofBytes bytes) => verdict switch
    {
        ProofVerdict.Encrypted => "Encrypted: " + Grounds(confidence, bytes),
        ProofVerdict.Weak => "Encrypted, but equal content shows: cipher blocks or sectors repeat.",
        ProofVerdict.Legacy => "Encrypted by the legacy AES of qcow, whose key is the passphrase itself; convert it to LUKS.",
        ProofVerdict.Unproven when bytes.Unchecked > 0 => $"Unproven: {bytes.Unchecked} bytes could not be checked.",
        ProofVerdict.Unproven => "Unproven: what is stored looks random, as ciphertext does and compressed data do, and the headers do not account for all of it.",
        ProofVerdict.Mixed => $"Encrypted in part: {bytes.Plain} bytes are stored in plain.",
        _ when bytes.Plain == 0 => "Not encrypted: nothing is stored yet, and no header says that it will be encrypted.",
        _ => $"Not encrypted: {bytes.Plain} bytes are stored in plain.",
    };

    public static IEnumerable<string> Checked(LayerProof[] layers, ProofNotes notes)
    {
        yield return $"Every stored block of {BlockJudge.BlockSize} bytes of {layers.Length} {(layers.Length == 1 ? "file" : "files")}: "
            + $"the spread of its bytes (a block of ciphertext fails once in 2^{UniformityTest.SignificanceBits}), repeated cipher blocks, and {Signatures.All.Count} signatures.";
        yield return "Every mebibyte of what passed, as a whole; and sectors that start as another one does.";
        yield return "What no part of the disk refers to, too: free and freed clusters, snapshots, room in the header, the tail of the file.";
        if (!notes.KeysGiven)
        {
            yield break;
        }

        foreach (LayerProof layer in layers.Where(layer => layer.KeyProven))
        {
            yield return $"{layer.Path}: the key {(layer.OpenedSlot is { } slot ? $"opens slot {slot} and " : string.Empty)}is the one that the header's digest knows.";
        }

        yield return notes.Full
            ? "All ciphertext of the disk was decrypted, and encrypted again to the same bytes."
            : "Samples of the ciphertext were decrypted, and encrypted again to the same bytes.";
    }

    public static IEnumerable<string> NotChecked(LayerProof[] layers, ProofBytes bytes, ProofNotes notes)
    {
        if (notes.Missing is { } missing)
        {
            yield return $"A file of the disk: {missing.Message}";
        }

        foreach (string unopened in notes.Unopened)
        {
            yield return unopened;
        }

        if (!notes.KeysGiven && bytes.Ciphertext > 0)
        {
            yield return "Whether what looks random is ciphertext of the disk's key: that takes the key.";
        }

        if (notes.KeysGiven && bytes.Decrypted > bytes.Structured)
        {
            yield return $"Whether {bytes.Decrypted - bytes.Structured} of {bytes.Decrypted} decrypted bytes were ever written by a guest: they have no structure, as noise and compressed data have none.";
        }

        yield return "What tables, the names of snapshots and files, and the places that hold nothing tell: containers never encrypt them.";
        yield return layers.Length > 0 && layers.Any(layer => layer.Bytes.Unchecked > 0)
            ? $"{bytes.Unchecked} bytes that could not be read."
            : "Copies of the disk elsewhere: backups, other files, and what the storage itself keeps.";
    }

    private static string Grounds(ProofConfidence confidence, ProofBytes bytes) => confidence switch
    {
        ProofConfidence.Full => $"the key opens it, and of all {bytes.Decrypted} bytes decrypted {bytes.Structured} have the structure of data.",
        ProofConfidence.Sampled => $"the key opens it, and of {bytes.Decrypted} bytes decrypted as samples {bytes.Structured} have the structure of data.",
        ProofConfidence.KeyOpens => "the key opens it; what was decrypted has no structure that would prove more.",
        _ when bytes.Ciphertext == 0 => "its header says so, and nothing is stored yet.",
        _ => "its header says so, and all that is stored looks like ciphertext.",
    };
}
