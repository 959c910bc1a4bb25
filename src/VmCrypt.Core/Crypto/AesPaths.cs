using VmCrypt.Core.Crypto.Hardware;
using Arm64 = VmCrypt.Core.Crypto.Hardware.Arm64Aes;
using X64 = VmCrypt.Core.Crypto.Hardware.X64Aes;

namespace VmCrypt.Core.Crypto;

/// <summary>The ways to compute AES that this build knows.</summary>
public enum AesPath
{
    /// <summary>The operating system's library.</summary>
    Platform,

    /// <summary>AES-NI.</summary>
    X64,

    /// <summary>The ARMv8 cryptographic extension.</summary>
    Arm64,
}

/// <summary>Which of them this machine has, the best last; tests run over all of them.</summary>
public static class AesPaths
{
    public static IReadOnlyList<AesPath> Available { get; } =
        X64.Encryption.IsSupported ? [AesPath.Platform, AesPath.X64]
        : Arm64.Encryption.IsSupported ? [AesPath.Platform, AesPath.Arm64]
        : [AesPath.Platform];

    public static AesPath Best => Available[^1];

    internal static BlockCipher CreateBlockCipher(AesPath path, ReadOnlySpan<byte> key) => path switch
    {
        AesPath.X64 => new HardwareAes<X64.Encryption, X64.Decryption>(key),
        AesPath.Arm64 => new HardwareAes<Arm64.Encryption, Arm64.Decryption>(key),
        _ => new PlatformAes(key),
    };

    /// <summary>A loop made for this mode on this path; null where the general one serves.</summary>
    internal static SectorCipher? CreateSectorCipher(AesPath path, CipherMode mode, ReadOnlySpan<byte> key, SectorIv iv, int sectorSize) =>
        (path, mode) switch
        {
            (AesPath.X64, CipherMode.Xts) => new AesXts<X64.Encryption, X64.Decryption>(key, iv, sectorSize),
            (AesPath.Arm64, CipherMode.Xts) => new AesXts<Arm64.Encryption, Arm64.Decryption>(key, iv, sectorSize),
            (AesPath.X64, CipherMode.Cbc) => new AesCbc<X64.Encryption, X64.Decryption>(key, iv, sectorSize),
            (AesPath.Arm64, CipherMode.Cbc) => new AesCbc<Arm64.Encryption, Arm64.Decryption>(key, iv, sectorSize),
            _ => null,
        };
}
