using System.Runtime.Intrinsics.X86;

namespace VmCrypt.Core.Crypto;

/// <summary>The ways to compute Argon2 that this build knows.</summary>
public enum Argon2Path
{
    Portable,
    Avx2,
    Avx512,
}

/// <summary>Which of them this machine has, the best last; tests run over all of them.</summary>
public static class Argon2Paths
{
    public static IReadOnlyList<Argon2Path> Available { get; } =
        Avx512F.IsSupported ? [Argon2Path.Portable, Argon2Path.Avx2, Argon2Path.Avx512]
        : Avx2.IsSupported ? [Argon2Path.Portable, Argon2Path.Avx2]
        : [Argon2Path.Portable];

    public static Argon2Path Best => Available[^1];
}
