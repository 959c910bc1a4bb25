using System.Security.Cryptography;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>The key derivation of a slot, ready for use: its costs are bounded.</summary>
internal abstract record Luks2Derivation(byte[] Salt)
{
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.KdfUnsupported"/>, <see cref="ErrorIds.HashUnsupported"/>,
    /// <see cref="ErrorIds.KdfCostTooHigh"/>.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Luks2KeyslotInvalid"/>.</exception>
    public static Luks2Derivation Of(Luks2Kdf kdf, string owner) => kdf.Type switch
    {
        Luks2Kdf.Pbkdf2Type => new Luks2Pbkdf2(Luks2Words.HashOf(kdf.Hash), Luks2Words.RequireIterations(kdf.Iterations, owner), SaltOf(kdf, owner)),
        Luks2Kdf.Argon2iType => new Luks2Argon2(Argon2Variant.I, Luks2Argon2.CostOf(kdf, owner), SaltOf(kdf, owner)),
        Luks2Kdf.Argon2idType => new Luks2Argon2(Argon2Variant.Id, Luks2Argon2.CostOf(kdf, owner), SaltOf(kdf, owner)),
        _ => throw new UnsupportedFeatureException(ErrorIds.KdfUnsupported, $"{owner} derives its key by '{kdf.Type}', which is not known."),
    };

    /// <summary>Resolves a cost under a fresh salt; one given as a time is measured on this machine.</summary>
    /// <param name="hash">For PBKDF2.</param>
    /// <param name="keySize">Bytes to derive.</param>
    /// <param name="meter">Measures PBKDF2 under <paramref name="hash"/>.</param>
    public static Luks2Derivation Create(KdfCost cost, HashKind hash, int keySize, Pbkdf2Meter meter, CancellationToken cancellationToken)
    {
        byte[] salt = RandomNumberGenerator.GetBytes(Luks2Layout.SaltLength);
        return cost.KindIn(LuksVersion.Luks2) switch
        {
            KdfKind.Pbkdf2 => new Luks2Pbkdf2(hash, meter.Slot(cost), salt),
            KdfKind.Argon2i => Luks2Argon2.Create(Argon2Variant.I, cost, keySize, salt, cancellationToken),
            _ => Luks2Argon2.Create(Argon2Variant.Id, cost, keySize, salt, cancellationToken),
        };
    }

    public abstract void Derive(ReadOnlySpan<byte> passphrase, Span<byte> key, CancellationToken cancellationToken);

    public abstract Luks2Kdf ToMetadata();

    private protected string SaltText => Convert.ToBase64String(Salt);

    private static byte[] SaltOf(Luks2Kdf kdf, string owner)
    {
        byte[] salt = new byte[kdf.Salt.Length];
        return Convert.TryFromBase64String(kdf.Salt, salt, out int length) && length == Luks2Layout.SaltLength
            ? salt[..length]
            : throw new InvalidImageException(ErrorIds.Luks2KeyslotInvalid,
                $"{owner} has no valid salt; it must be {Luks2Layout.SaltLength} bytes in base64.");
    }
}

internal sealed record Luks2Pbkdf2(HashKind Hash, long Iterations, byte[] Salt) : Luks2Derivation(Salt)
{
    public override void Derive(ReadOnlySpan<byte> passphrase, Span<byte> key, CancellationToken cancellationToken) =>
        Pbkdf2.Derive(Hash, passphrase, Salt, Iterations, key);

    public override Luks2Kdf ToMetadata() =>
        new(Luks2Kdf.Pbkdf2Type, (uint)Iterations, MemoryKiB: 0, Lanes: 1, HashKinds.NameOf(Hash), SaltText);
}

internal sealed record Luks2Argon2(Argon2Variant Variant, Argon2Cost Cost, byte[] Salt) : Luks2Derivation(Salt)
{
    public static Luks2Argon2 Create(Argon2Variant variant, KdfCost cost, int keySize, byte[] salt, CancellationToken cancellationToken)
    {
        Argon2Cost resolved = cost.Iterations is { } passes
            ? new Argon2Cost((int)cost.MemoryKiB!.Value, (int)passes, cost.Lanes!.Value)
            : Argon2Benchmark.Choose(
                variant,
                keySize,
                cost.IterTime!.Value,
                (int)(cost.MemoryKiB ?? Argon2Benchmark.DefaultMemoryKiB),
                cost.Lanes ?? KdfCost.MaxLanes,
                cancellationToken);
        return new Luks2Argon2(variant, resolved, salt);
    }

    /// <summary>The cost in the metadata, which may come from anywhere, within what anybody would wait for.</summary>
    public static Argon2Cost CostOf(Luks2Kdf kdf, string owner)
    {
        if (kdf.Iterations < 1 || kdf.Lanes < 1 || kdf.MemoryKiB < (ulong)kdf.Lanes * Argon2Cost.MinMemoryKiBPerLane)
        {
            throw new InvalidImageException(ErrorIds.Luks2KeyslotInvalid,
                $"{owner} has {kdf.Iterations} passes over {kdf.MemoryKiB} KiB in {kdf.Lanes} lanes, but Argon2 needs 1 pass, 1 lane, and {Argon2Cost.MinMemoryKiBPerLane} KiB for each.");
        }

        return kdf.MemoryKiB <= KdfCost.MaxMemoryKiB && (ulong)kdf.MemoryKiB * kdf.Iterations <= KdfCost.MaxArgon2Work
            ? new Argon2Cost((int)kdf.MemoryKiB, (int)kdf.Iterations, (int)kdf.Lanes)
            : throw new UnsupportedFeatureException(ErrorIds.KdfCostTooHigh,
                $"{owner} has {kdf.Iterations} passes over {kdf.MemoryKiB} KiB, but at most {KdfCost.MaxMemoryKiB} KiB, and {KdfCost.MaxArgon2Work} KiB in all passes, are allowed.");
    }

    public override void Derive(ReadOnlySpan<byte> passphrase, Span<byte> key, CancellationToken cancellationToken) =>
        Argon2.Derive(Variant, passphrase, Salt, Cost, key, cancellationToken: cancellationToken);

    public override Luks2Kdf ToMetadata() => new(
        Variant == Argon2Variant.I ? Luks2Kdf.Argon2iType : Luks2Kdf.Argon2idType,
        (uint)Cost.Passes,
        (uint)Cost.MemoryKiB,
        (uint)Cost.Lanes,
        Hash: string.Empty,
        SaltText);
}
