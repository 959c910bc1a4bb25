namespace VmCrypt.Core.Proof.Content;

/// <summary>What one block of a disk looks like.</summary>
/// <param name="Zeros">Bytes of it in sectors that are all zero, and so are no content.</param>
/// <param name="Flaw">Why it is no ciphertext; null where nothing speaks against it, or nothing is stored.</param>
/// <param name="Name">What it was recognised as; null where it was not.</param>
/// <param name="Entropy">Collision entropy in bits per byte: at most 8.</param>
internal readonly record struct BlockVerdict(int Zeros, FindingKind? Flaw, string? Name, double Entropy);
