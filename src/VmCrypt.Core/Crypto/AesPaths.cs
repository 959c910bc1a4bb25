namespace VmCrypt.Core.Crypto;

/// <summary>The ways to compute AES that this build knows.</summary>
public enum AesPath
{
    /// <summary>The operating system's library.</summary>
    Platform,
}

/// <summary>Which of them this machine has; tests run over all of these.</summary>
public static class AesPaths
{
    public static IReadOnlyList<AesPath> Available { get; } = [AesPath.Platform];

    public static AesPath Best => Available[^1];

    internal static BlockCipher CreateBlockCipher(AesPath path, ReadOnlySpan<byte> key) => new PlatformAes(key);
}
