using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys.Tokens;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Keys;

/// <summary>Unlocks by a token: asks whatever keeps the token's passphrase, and tries that on the token's own slots.</summary>
/// <remarks>clevis is asked through its program, the kernel's keyring directly. Nothing is written.</remarks>
public static class TokenUnlock
{
    /// <summary>How long a helper may take unless it is said otherwise.</summary>
    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(60);

    /// <summary>The volume key and the slot that it came from, by one token, or by the first of all that works.</summary>
    /// <param name="number">Null for any: those of preferred slots first, those of ignored slots not at all.</param>
    /// <param name="slot">The only slot to try.</param>
    /// <param name="patience">How long the token's helper may take.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeyTokenMissing"/>, <see cref="ErrorIds.KeyTokenUnassigned"/>, <see cref="ErrorIds.KeyTokenHelperMissing"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.KeyTokenUnsupported"/>, <see cref="ErrorIds.LuksVersionUnsupported"/>: LUKS1.</exception>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.KeyTokenHelperFailed"/>, <see cref="ErrorIds.KeyTokenHelperTimeout"/>.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>: the passphrase of the slot was changed since.</exception>
    public static async ValueTask<DiskKeys> ByTokenAsync(LuksHeader header, int? number, int? slot, TimeSpan patience, CancellationToken cancellationToken)
    {
        if (number is { } named)
        {
            KeyTokenFacts token = KeyTokens.Find(header, named);
            return await UnlockAsync(header, token, SlotsOf(header, token, slot, KeySlotPriority.Ignore), patience, cancellationToken);
        }

        VmCryptException? first = null;
        foreach ((KeyTokenFacts token, KeySlotFacts[] slots) in Candidates(header, slot))
        {
            try
            {
                return await UnlockAsync(header, token, slots, patience, cancellationToken);
            }
            catch (VmCryptException reason)
            {
                first ??= reason;
            }
        }

        throw first ?? new MissingException(ErrorIds.KeyTokenMissing, "The header has no token that could be asked for a passphrase.");
    }

    /// <summary><see cref="ByTokenAsync(LuksHeader, int?, int?, TimeSpan, CancellationToken)"/> for the image at a place.</summary>
    public static async ValueTask<DiskKeys> ByTokenAsync(
        DiskLocation location, DiskOpenOptions options, int? number, int? slot, TimeSpan patience, CancellationToken cancellationToken)
    {
        await using DiskStack disk = await DiskStack.OpenAsync(location, options with { Writable = false, HeadersOnly = true }, cancellationToken);
        return await ByTokenAsync(disk.RequireLuks(), number, slot, patience, cancellationToken);
    }

    // As cryptsetup does it: a slot that is to be ignored counts only where it is named.
    private static IEnumerable<(KeyTokenFacts Token, KeySlotFacts[] Slots)> Candidates(LuksHeader header, int? slot) => header.Version != LuksVersion.Luks2
        ? throw LuksHeader.Luks2Only("tokens")
        : header.Facts.Tokens
            .Where(token => TokenHelper.Knows(token.Type))
            .Select(token => (Token: token, Slots: SlotsOf(header, token, slot, slot is null ? KeySlotPriority.Normal : KeySlotPriority.Ignore)))
            .Where(candidate => candidate.Slots.Length > 0)
            .OrderByDescending(candidate => candidate.Slots[0].Priority);

    private static KeySlotFacts[] SlotsOf(LuksHeader header, KeyTokenFacts token, int? slot, KeySlotPriority least) =>
    [
        .. header.Slots
            .Where(candidate => candidate is { IsActive: true, IsBound: true } && candidate.Priority >= least && token.KeySlots.Contains(candidate.Number))
            .Where(candidate => slot is null || candidate.Number == slot)
            .OrderByDescending(candidate => candidate.Priority),
    ];

    private static async ValueTask<DiskKeys> UnlockAsync(
        LuksHeader header, KeyTokenFacts token, KeySlotFacts[] slots, TimeSpan patience, CancellationToken cancellationToken)
    {
        if (slots.Length == 0)
        {
            throw new MissingException(ErrorIds.KeyTokenUnassigned, $"Token {token.Number} is not assigned to the key slot, or to none that opens the data.");
        }

        using SecretBuffer passphrase = await TokenHelper.AskAsync(token, patience, cancellationToken);
        foreach (KeySlotFacts slot in slots)
        {
            try
            {
                using VolumeKey key = (await header.UnlockAsync(passphrase, slot.Number, cancellationToken)).Key;
                return new DiskKeys { VolumeKey = key.Export(), Slot = slot.Number };
            }
            catch (WrongKeyException)
            {
                // The next slot, or the sentence below.
            }
        }

        throw new WrongKeyException(ErrorIds.WrongPassphrase,
            $"The passphrase of token {token.Number} opens none of its key slots ({string.Join(", ", slots.Select(slot => slot.Number))}): they were changed without it.");
    }
}
