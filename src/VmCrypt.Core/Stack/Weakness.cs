using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Stack;

/// <summary>Something about an image that makes its encryption weaker than it looks.</summary>
/// <param name="Id">Stable, one of the constants of <see cref="Weaknesses"/>.</param>
/// <param name="Message">A sentence for a person, with what to do.</param>
public sealed record Weakness(string Id, string Message)
{
    public override string ToString() => $"{Id}: {Message}";
}

/// <summary>Knows the weaknesses that show without a key.</summary>
internal static class Weaknesses
{
    public const string LegacyAes = nameof(LegacyAes);
    public const string FewIterations = nameof(FewIterations);
    public const string NoKeySlot = nameof(NoKeySlot);
    public const string SingleKeySlot = nameof(SingleKeySlot);
    public const string MalleableMode = nameof(MalleableMode);
    public const string PredictableIv = nameof(PredictableIv);
    public const string WrappingIv = nameof(WrappingIv);
    public const string OldHash = nameof(OldHash);
    public const string LittleMemory = nameof(LittleMemory);
    public const string MuchDataPerKey = nameof(MuchDataPerKey);
    public const string DamagedHeaderCopy = nameof(DamagedHeaderCopy);
    public const string BackingPlain = nameof(BackingPlain);
    public const string BackingFormatUnknown = nameof(BackingFormatUnknown);

    // A graphics card of today tries some ten thousand passphrases a second at this many iterations of PBKDF2-SHA256.
    private const long FewestIterations = 100_000;

    // A graphics card runs as many computations of Argon2 at a time as its memory holds.
    private const long LeastMemoryKiB = 64 * 1024;

    // Two of q blocks collide, and so tell something of their content, with a chance of about q²/2^128: here 2^-40, the usual limit
    // for such a chance. IEEE 1619-2018 (5.1) itself forbids no less than 2^64 blocks. What is overwritten counts again.
    private const long XtsLimit = 1L << 48;

    // The 32-bit sector number of "plain" starts again here.
    private const long PlainIvLimit = (1L << 32) * 512;

    public static Weakness[] Of(StackImage image, long diskSize) =>
        [.. OfLayout(image), .. image.Luks is { } luks ? OfHeader(luks.Facts, diskSize) : []];

    private static IEnumerable<Weakness> OfLayout(StackImage image)
    {
        if (image.Placement == EncryptionPlacement.LegacyAes)
        {
            yield return new(LegacyAes, "The legacy AES of qcow uses the passphrase itself as the key and cannot change it; convert the image to LUKS.");
        }

        // What a virtual disk's parents hold is encrypted with it, as one.
        if (image.Placement != EncryptionPlacement.None && image.VirtualDisk is null && image.Backing is { Placement: EncryptionPlacement.None } plain)
        {
            yield return new(BackingPlain, $"The backing image {plain.Location} is not encrypted: all that the guest has not overwritten stands there in plain.");
        }

        if (image.Qcow2?.Backing is { Format: null })
        {
            yield return new(BackingFormatUnknown, "The image does not name the format of its backing file, so it is guessed from what a guest may have written.");
        }
    }

    private static IEnumerable<Weakness> OfHeader(LuksFacts luks, long diskSize)
    {
        KeySlotFacts[] active = [.. luks.Slots.Where(slot => slot.IsActive && slot.IsBound)];
        KeySlotFacts[] guessable = [.. active.Where(slot => !luks.HoldsRandomKey(slot.Number))];
        foreach (KeySlotFacts slot in guessable.Where(slot => slot.Kdf == "pbkdf2" && slot.Iterations < FewestIterations))
        {
            yield return new(FewIterations, $"Key slot {slot.Number} has {slot.Iterations} iterations, so passphrases are guessed fast; change its passphrase to renew it.");
        }

        foreach (KeySlotFacts slot in guessable.Where(slot => slot.Kdf != "pbkdf2" && slot.MemoryKiB < LeastMemoryKiB))
        {
            yield return new(LittleMemory, $"Key slot {slot.Number} has {slot.Kdf} over {slot.MemoryKiB} KiB only, so passphrases are guessed fast; change its passphrase to renew it.");
        }

        if (active.Length <= 1)
        {
            yield return active.Length == 0
                ? new(NoKeySlot, "No key slot is active: only the volume key itself opens the disk.")
                : new(SingleKeySlot, "Only one key slot is active: if its passphrase is lost or its area damaged, so is the disk.");
        }

        if (luks.Cipher.Contains("-ecb", StringComparison.Ordinal) || luks.Cipher.Contains("-ctr", StringComparison.Ordinal))
        {
            yield return new(MalleableMode, $"The cipher {luks.Cipher} shows equal blocks or lets others flip bits; convert the image to aes-xts-plain64.");
        }

        if (luks.Cipher.Contains("-cbc-plain", StringComparison.Ordinal))
        {
            yield return new(PredictableIv, $"The cipher {luks.Cipher} has predictable IVs, which lets others plant recognisable files; convert the image to aes-xts-plain64.");
        }

        if (luks.Cipher.EndsWith("-plain", StringComparison.Ordinal) && diskSize > PlainIvLimit)
        {
            yield return new(WrappingIv, $"The IVs of {luks.Cipher} repeat after 2 TiB, and the disk is larger; convert the image to aes-xts-plain64.");
        }

        if (luks.Cipher.Contains("-xts-", StringComparison.Ordinal) && diskSize > XtsLimit)
        {
            yield return new(MuchDataPerKey, "The disk is larger than 256 TiB, more than one key should encrypt under xts; split it into several disks.");
        }

        string[] hashes = [.. active.Where(slot => slot.Kdf == "pbkdf2").Select(slot => slot.Hash).Append(luks.Hash).Distinct()];
        foreach (string hash in hashes.Where(hash => hash is "md5" or "sha1" or "ripemd160"))
        {
            yield return new(OldHash, $"The hash {hash} is out of date; convert the image to renew its header with sha256.");
        }

        if (luks.DamagedCopy is { } damage)
        {
            yield return new(DamagedHeaderCopy, $"Only one copy of the LUKS2 header is good; repair the image while it is. {damage.Message}");
        }
    }
}
