using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks;

/// <summary>What a header says of itself, readable without a key and even where this version cannot use it.</summary>
/// <param name="Uuid">As written, characters that are not printable replaced by '?'.</param>
/// <param name="Cipher">As written, for example <c>aes-xts-plain64</c>.</param>
/// <param name="KeySize">Bytes of the volume key.</param>
/// <param name="Hash">As written, for example <c>sha256</c>.</param>
/// <param name="DigestIterations">PBKDF2 iterations of the digest that proves the volume key.</param>
/// <param name="PayloadOffset">Bytes; 0 where the payload lies elsewhere.</param>
/// <param name="SectorSize">Bytes under one IV.</param>
/// <param name="Slots">LUKS1: all eight; LUKS2: those that exist.</param>
public sealed record LuksFacts(
    LuksVersion Version,
    string Uuid,
    string Cipher,
    long KeySize,
    string Hash,
    long DigestIterations,
    long PayloadOffset,
    int SectorSize,
    KeySlotFacts[] Slots)
{
    /// <summary>Why the header cannot be opened; null when it can.</summary>
    public VmCryptException? Unusable { get; init; }

    /// <summary>LUKS2: a name for people and udev; empty for none.</summary>
    public string Label { get; init; } = string.Empty;

    /// <summary>LUKS2: who owns the disk; empty for nobody.</summary>
    public string Subsystem { get; init; } = string.Empty;

    /// <summary>LUKS2: the sequence id, one more with every change of the header (cryptsetup: epoch); 0 in LUKS1.</summary>
    public ulong Epoch { get; init; }

    /// <summary>LUKS2: what opens key slots beside passphrases.</summary>
    public KeyTokenFacts[] Tokens { get; init; } = [];

    /// <summary>LUKS2: wishes for activation, such as <c>allow-discards</c>.</summary>
    public string[] Flags { get; init; } = [];

    /// <summary>LUKS2: what a reader must know to use the header; such a header is not opened here.</summary>
    public string[] Requirements { get; init; } = [];

    /// <summary>LUKS2: how far a re-encryption is, given the length of the payload's device; null where none is under way, or of an unknown kind.</summary>
    internal Func<long, ReencryptionFacts?>? Reencryption { get; init; }

    /// <summary>The salt of the volume key's digest in base64: another volume key has another one, whatever becomes of its passphrases.</summary>
    internal string KeyMark { get; init; } = string.Empty;

    /// <summary>LUKS2: what is wrong with one of the two copies of the header; null when both are good. The next change repairs it.</summary>
    public VmCryptException? DamagedCopy { get; init; }

    /// <summary>LUKS2: by its token, the slot is opened by a key that a machine chose and nobody guesses.</summary>
    public bool HoldsRandomKey(int slot) => Tokens.Any(token => KeyTokenTypes.HoldsRandomKey(token.Type) && token.KeySlots.Contains(slot));
}

/// <summary>Something beside the header that opens key slots: a TPM, a server, the kernel's keyring.</summary>
/// <param name="Type">For example <c>clevis</c>, <c>systemd-tpm2</c>, <c>luks2-keyring</c> (<see cref="KeyTokenTypes"/>).</param>
/// <param name="KeySlots">The slots that it opens.</param>
/// <param name="Json">All of it on one line, as <c>cryptsetup token export</c> writes it.</param>
public sealed record KeyTokenFacts(int Number, string Type, int[] KeySlots, string Json);

/// <summary>In which order key slots are tried.</summary>
public enum KeySlotPriority
{
    /// <summary>Only when the slot is named.</summary>
    Ignore = 0,

    Normal = 1,

    /// <summary>Before all others.</summary>
    Prefer = 2,
}

/// <summary>One key slot, as far as it is visible without a passphrase.</summary>
public sealed record KeySlotFacts
{
    public required int Number { get; init; }

    public required bool IsActive { get; init; }

    /// <summary><c>pbkdf2</c>, <c>argon2i</c> or <c>argon2id</c>.</summary>
    public required string Kdf { get; init; }

    /// <summary>PBKDF2 iterations, or passes of Argon2 over its memory.</summary>
    public required long Iterations { get; init; }

    /// <summary>Memory of Argon2 in KiB; 0 for PBKDF2.</summary>
    public long MemoryKiB { get; init; }

    /// <summary>Lanes of Argon2; 1 for PBKDF2.</summary>
    public int Parallelism { get; init; } = 1;

    /// <summary>The hash of PBKDF2 and of the anti-forensic splitter.</summary>
    public required string Hash { get; init; }

    public required long Stripes { get; init; }

    /// <summary>Where the key material lies: bytes from the start of the header.</summary>
    public required long AreaOffset { get; init; }

    /// <summary>Bytes of key material.</summary>
    public required long AreaLength { get; init; }

    /// <summary>Always <see cref="KeySlotPriority.Normal"/> in LUKS1.</summary>
    public KeySlotPriority Priority { get; init; } = KeySlotPriority.Normal;

    /// <summary>LUKS2: false where the slot holds a key of its own, which does not open the data.</summary>
    public bool IsBound { get; init; } = true;

    /// <summary>LUKS2: the numbers of the tokens that open the slot.</summary>
    public int[] Tokens { get; init; } = [];
}

/// <summary>The encrypted bytes: under which cipher, and where.</summary>
/// <param name="KeySize">Bytes of the volume key.</param>
/// <param name="Offset">Bytes from the start of the header's device; 0 for a detached header that says nothing else, unused for an embedded one.</param>
/// <param name="SectorSize">Bytes under one IV: 512 in LUKS1, up to 4096 in LUKS2.</param>
/// <param name="IvOffset">Added to every sector number, in 512-byte units; 0 in LUKS1.</param>
public sealed record LuksPayload(CipherSpec Cipher, int KeySize, long Offset, int SectorSize, ulong IvOffset)
{
    /// <summary>Bytes of payload where the header fixes it (LUKS2 can); null for all to the end of the device.</summary>
    public long? Length { get; init; }
}
