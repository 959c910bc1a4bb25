namespace VmCrypt.Core.Luks;

/// <summary>What a re-encryption makes of a payload.</summary>
public enum ReencryptionMode
{
    /// <summary>Plain bytes become encrypted ones.</summary>
    Encrypt,

    /// <summary>Encrypted bytes get another key, cipher or sector size.</summary>
    Reencrypt,

    /// <summary>Encrypted bytes become plain ones.</summary>
    Decrypt,
}

/// <summary>How a crash while bytes are rewritten in their own place is made good.</summary>
public enum ReencryptionResilience
{
    /// <summary>Checksums of the old sectors tell which of them are still old. Needs storage that writes an encrypted sector whole or not at all.</summary>
    Checksum,

    /// <summary>The old bytes are kept until the new ones are written: twice the writing, and no demands on the storage.</summary>
    Journal,
}

/// <summary>How far an unfinished re-encryption is, as the header tells without a key.</summary>
/// <param name="Resilience">As written, for example <c>checksum</c> or <c>datashift</c>.</param>
/// <param name="TotalBytes">Of the payload.</param>
/// <param name="DoneBytes">Of these, those that are as they will be.</param>
/// <param name="WasInterrupted">A part of the payload may be half rewritten, and is recovered first.</param>
public sealed record ReencryptionFacts(ReencryptionMode Mode, string Resilience, long TotalBytes, long DoneBytes, bool WasInterrupted)
{
    /// <summary>0 to 100.</summary>
    public double Percent => TotalBytes == 0 ? 100 : 100.0 * DoneBytes / TotalBytes;
}
