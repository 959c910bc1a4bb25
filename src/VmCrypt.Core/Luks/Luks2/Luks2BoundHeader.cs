using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>A valid LUKS2 header and the device that stores it: opens its slots.</summary>
internal sealed partial class Luks2BoundHeader : LuksHeader
{
    private readonly Luks2Store _store;
    private readonly LuksPlacement _placement;
    private Luks2Terms _terms;
    private LuksFacts _facts;

    private Luks2BoundHeader(IBlockDevice area, Luks2Copies copies, Luks2Terms terms, LuksPlacement placement)
        : base(area)
    {
        _placement = placement;
        _store = new Luks2Store(area, copies);
        _terms = terms;
        _facts = Describe(copies);
    }

    public override LuksVersion Version => LuksVersion.Luks2;

    public override LuksFacts Facts => _facts;

    public override LuksPayload Payload => _terms.Payload;

    public override HashKind Hash => _terms.Digest.Hash;

    public override long HeaderLength => (long)_store.Metadata.TotalSize;

    /// <summary>Binds a header that can be used on <paramref name="area"/>, or says why it cannot.</summary>
    public static Luks2BoundHeader Bind(IBlockDevice area, Luks2Copies copies, LuksPlacement placement)
    {
        Luks2Terms terms = Luks2Terms.Of(copies.Current.Metadata);
        RequirePlace(terms.Payload, area, placement);
        return new Luks2BoundHeader(area, copies, terms, placement);
    }

    public static LuksFacts Describe(Luks2Copies copies) => Luks2Facts.Of(copies.Current.Binary, copies.Current.Metadata, copies.Fault);

    private protected override async ValueTask<Unlocked> UnlockExactlyAsync(SecretBuffer passphrase, int? slot, CancellationToken cancellationToken)
    {
        VmCryptException? skipped = null;
        bool tried = false;
        foreach (Luks2Keyslot candidate in Candidates(slot))
        {
            try
            {
                if (await TryOpenAsync(Luks2Slot.Of(candidate), _terms.Digest, passphrase, cancellationToken) is { } key)
                {
                    return new Unlocked(KeyOf(key), candidate.Number);
                }

                tried = true;
            }
            catch (VmCryptException reason) when (reason is UnsupportedFeatureException or InvalidImageException)
            {
                skipped ??= reason;
            }
        }

        throw WrongPassphrase(slot, tried, skipped);
    }

    public override async ValueTask<VolumeKey> UnlockWithVolumeKeyAsync(SecretBuffer volumeKey, CancellationToken cancellationToken)
    {
        await RequireOwnAsync(volumeKey.Memory, cancellationToken);
        return KeyOf(volumeKey.Copy());
    }

    public override async ValueTask<SecretBuffer> OpenUnboundAsync(SecretBuffer passphrase, int slot, CancellationToken cancellationToken)
    {
        Luks2Keyslot keyslot = RequireActive(slot);
        Luks2Digest digest = _store.Metadata.DigestOfKeyslot(slot)
            ?? throw new UnsupportedFeatureException(ErrorIds.Luks2KeyslotUnsupported, $"No digest proves the key of slot {slot}, so nothing can tell whether it opens.");
        return await TryOpenAsync(Luks2Slot.Of(keyslot), Luks2Proof.Of(digest), passphrase, cancellationToken)
            ?? throw WrongPassphrase(slot, tried: true, skipped: null);
    }

    private static void RequirePlace(LuksPayload payload, IBlockDevice area, LuksPlacement placement)
    {
        if (placement != LuksPlacement.Attached)
        {
            return;
        }

        if (payload.Offset == 0)
        {
            throw new InvalidImageException(ErrorIds.Luks2PayloadElsewhere,
                "The LUKS2 header is a detached one: its payload starts at byte 0 of another file or device, which must be named as the image.");
        }

        if (payload.Offset > area.Length || payload.Length > area.Length - payload.Offset)
        {
            throw new InvalidImageException(ErrorIds.LuksPayloadBeyondEnd,
                $"The payload starts at byte {payload.Offset}, but the device has only {area.Length} bytes.");
        }
    }

    private ValueTask<SecretBuffer?> TryOpenAsync(Luks2Slot slot, Luks2Proof proof, SecretBuffer passphrase, CancellationToken cancellationToken) =>
        Luks2SlotReader.TryOpenAsync(Area, slot, proof, passphrase, cancellationToken);

    private VolumeKey KeyOf(SecretBuffer key) => new(key, Payload with { KeySize = key.Length });

    private async ValueTask RequireOwnAsync(ReadOnlyMemory<byte> volumeKey, CancellationToken cancellationToken)
    {
        bool own = Payload.Cipher.KeySizes.Contains(volumeKey.Length)
            && await LuksWork.RunAsync(() => _terms.Digest.Proves(volumeKey.Span), cancellationToken);
        if (!own)
        {
            throw new WrongKeyException(ErrorIds.WrongVolumeKey, "The volume key is not the one of this header.");
        }
    }

    // Preferred slots first; those to be ignored only when named.
    private List<Luks2Keyslot> Candidates(int? slot)
    {
        if (slot is { } named)
        {
            return [RequireBound(named)];
        }

        List<Luks2Keyslot> bound = [.. _store.Metadata.Keyslots
            .Where(keyslot => IsBound(keyslot.Number) && keyslot.Priority is (long)KeySlotPriority.Normal or (long)KeySlotPriority.Prefer)
            .OrderByDescending(keyslot => keyslot.Priority)];
        return bound.Count > 0
            ? bound
            : throw new MissingException(ErrorIds.NoActiveKeySlot,
                _store.Metadata.Keyslots.Any(keyslot => IsBound(keyslot.Number))
                    ? "The header has only key slots that are to be ignored; name the one to try."
                    : "The header has no active key slot; only the volume key opens the data.");
    }

    private bool IsBound(int slot) => _store.Metadata.DigestOfKeyslot(slot)?.Number == _terms.DigestNumber;

    private Luks2Keyslot RequireActive(int slot)
    {
        RequireNumber(slot);
        return _store.Metadata.Keyslot(slot) ?? throw new MissingException(ErrorIds.KeySlotInactive, $"Key slot {slot} holds no key.");
    }

    private Luks2Keyslot RequireBound(int slot)
    {
        Luks2Keyslot keyslot = RequireActive(slot);
        return IsBound(slot)
            ? keyslot
            : throw new RefusedException(ErrorIds.KeySlotUnbound, $"Key slot {slot} holds a key of its own, which does not open the data.");
    }

    private static void RequireNumber(int slot)
    {
        if (slot is < 0 or >= Luks2Layout.MaxObjects)
        {
            throw new InvalidInputException(ErrorIds.KeySlotInvalid,
                $"The key slot is {slot}, but must be 0 to {Luks2Layout.MaxObjects - 1}.");
        }
    }

    // Where no slot could be tried, the reason is what the user must know; else the passphrase is wrong for those that could.
    private static VmCryptException WrongPassphrase(int? slot, bool tried, VmCryptException? skipped) => (tried, skipped) switch
    {
        (false, { } reason) => reason,
        (_, { } reason) => new WrongKeyException(ErrorIds.WrongPassphrase, $"The passphrase opens no key slot that could be tried. {reason.Message}", reason),
        _ => new WrongKeyException(ErrorIds.WrongPassphrase,
            slot is { } named ? $"The passphrase does not open key slot {named}." : "The passphrase opens no key slot."),
    };
}
