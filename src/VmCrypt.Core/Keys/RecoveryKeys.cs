using VmCrypt.Core.Buffers;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Keys;

/// <summary>A recovery key that was just made; owns it.</summary>
/// <param name="Key">The printed form, which is also the passphrase.</param>
/// <param name="Token">The token that tells others what the slot holds; null in LUKS1, which has none.</param>
public sealed record MadeRecoveryKey(SecretBuffer Key, int Slot, int? Token) : IDisposable
{
    public void Dispose() => Key.Dispose();
}

/// <summary>Gives images a recovery key, as <c>systemd-cryptenroll --recovery-key</c> does.</summary>
public static class RecoveryKeys
{
    // Nobody guesses 256 random bits, however cheap a try is.
    private static readonly KdfCost s_cost = KdfCost.OfIterations(KdfCost.MinIterations);

    // In LUKS1 there is no token to say so: as many as keep anybody from calling the slot weak.
    private static readonly KdfCost s_luks1Cost = KdfCost.OfIterations(100_000);

    /// <summary>Makes a key, its slot and (LUKS2) its token, and proves that it opens.</summary>
    /// <remarks>Slot and token are one change of the header. A crash after it, before the key was handed out, leaves a slot whose key nobody knows: remove it.</remarks>
    /// <param name="current">What opens the image now.</param>
    public static async ValueTask<MadeRecoveryKey> AddAsync(
        DiskLocation location, DiskOpenOptions options, DiskKeys current, int? slot, CancellationToken cancellationToken)
    {
        await using KeySlotSession session = await KeySlotSession.OpenAsync(location, options, writable: true, cancellationToken);
        LuksHeader header = session.Header;
        using VolumeKey volumeKey = (await session.UnlockAsync(current, cancellationToken)).Key;
        using SecretBuffer key = RecoveryKey.Create();
        int made;
        int? token = null;
        if (header.Version == LuksVersion.Luks2)
        {
            (made, token) = await header.AddSlotWithTokenAsync(volumeKey, key, slot, s_cost, KeyTokenJson.Recovery, cancellationToken);
        }
        else
        {
            made = await header.AddSlotAsync(volumeKey, key, slot, s_luks1Cost, cancellationToken);
        }

        await session.ProveOrRemoveAsync(made, () => session.ProveAsync(key, made, cancellationToken), cancellationToken);
        return new MadeRecoveryKey(key.Move(), made, token);
    }
}
