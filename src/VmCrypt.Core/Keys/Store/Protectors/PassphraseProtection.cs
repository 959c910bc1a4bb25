using System.Security.Cryptography;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Keys.Store.Protectors;

/// <summary>The wrapping key is Argon2id of a master passphrase.</summary>
internal static class PassphraseProtection
{
    public const int SaltSize = 32;

    public static async Task<(KeyProtector Draft, SecretBuffer Key)> MakeAsync(KeyProtector draft, SecretBuffer passphrase, KdfCost wanted, CancellationToken cancellationToken)
    {
        if (passphrase.Length == 0)
        {
            throw new InvalidInputException(ErrorIds.SecretEmpty, "An empty master passphrase protects nothing.");
        }

        Argon2Cost cost = await Task.Run(() => Choose(wanted, cancellationToken), cancellationToken);
        draft = draft with { Salt = RandomNumberGenerator.GetBytes(SaltSize), MemoryKiB = cost.MemoryKiB, Passes = cost.Passes, Lanes = cost.Lanes };
        return (draft, await OpenAsync(draft, passphrase, cancellationToken));
    }

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.KeyProtectorInvalid"/>: it would cost more than any protector does.</exception>
    public static async Task<SecretBuffer> OpenAsync(KeyProtector protector, SecretBuffer passphrase, CancellationToken cancellationToken)
    {
        Argon2Cost cost = CostOf(protector);
        var key = new SecretBuffer(StoreKey.Size);
        try
        {
            await Task.Run(() => Argon2.Derive(Argon2Variant.Id, passphrase.Span, protector.Salt, cost, key.Span, cancellationToken: cancellationToken), cancellationToken);
            return key;
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    private static Argon2Cost Choose(KdfCost wanted, CancellationToken cancellationToken) => wanted switch
    {
        { Kind: not (null or KdfKind.Argon2id) } => throw new InvalidInputException(ErrorIds.KdfCostInvalid, $"A master passphrase is under Argon2id, not {wanted.Kind}."),
        { Iterations: { } passes } => new Argon2Cost((int)wanted.MemoryKiB!, (int)passes, wanted.Lanes!.Value),
        _ => Argon2Benchmark.Choose(
            Argon2Variant.Id,
            StoreKey.Size,
            wanted.IterTime!.Value,
            (int)(wanted.MemoryKiB ?? Argon2Benchmark.DefaultMemoryKiB),
            wanted.Lanes ?? Argon2Benchmark.MaxLanes,
            cancellationToken),
    };

    private static Argon2Cost CostOf(KeyProtector protector)
    {
        try
        {
            var cost = new Argon2Cost(protector.MemoryKiB!.Value, protector.Passes!.Value, protector.Lanes!.Value);
            return (long)cost.MemoryKiB * cost.Passes <= KdfCost.MaxArgon2Work
                ? cost
                : throw new InvalidImageException(ErrorIds.KeyProtectorInvalid,
                    $"The master passphrase would cost {cost.Passes} passes over {cost.MemoryKiB} KiB; at most {KdfCost.MaxArgon2Work} KiB are filled in all.");
        }
        catch (InvalidInputException fault)
        {
            throw new InvalidImageException(ErrorIds.KeyProtectorInvalid, $"The master passphrase of the key store: {fault.Message}", fault);
        }
    }
}
