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
