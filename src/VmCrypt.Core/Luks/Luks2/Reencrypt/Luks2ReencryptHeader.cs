using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2.Reencrypt;

/// <summary>The header of a payload that is being re-encrypted: the journal that says how far it is.</summary>
/// <remarks>
/// The metadata is cryptsetup's own, so that its <c>reencrypt --resume-only</c> and <c>repair</c> go on from here, and we from what they left.
/// One call at a time; the device is borrowed.
/// </remarks>
internal sealed class Luks2ReencryptHeader : IZoneJournal
{
    /// <summary>A flag that others ignore: the payload is done, but what was left over of it is not destroyed yet.</summary>
    public const string CleanUpFlag = "vmcrypt-cleanup";

    /// <summary>A flag that others ignore: the file grew for the time of the re-encryption, and is cut again at its end.</summary>
    public const string GrownFlag = "vmcrypt-grown";

    /// <summary>A flag that others ignore: behind the payload lie plain bytes that are to be overwritten.</summary>
    public const string TailFlag = "vmcrypt-tail";

    /// <summary>A flag that others ignore: when all else is done, the header becomes LUKS1.</summary>
    public const string Luks1Flag = "vmcrypt-luks1";

    /// <summary>A flag that others ignore: the payload that is done got another key, it was not plain before.</summary>
    public const string NewKeyFlag = "vmcrypt-new-key";

    /// <summary>A flag that others ignore: the payload is the disk in a VHDX file, not the file.</summary>
    public const string VhdxFlag = "vmcrypt-vhdx";

    /// <summary>A flag that others ignore: the payload is the disk in a VHD file, not the file.</summary>
    public const string VhdFlag = "vmcrypt-vhd";

    // Free areas that are larger held no key material, which deserves more than one pass.
    private const int MaxKeyMaterial = 1 << 20;

    private readonly IBlockDevice _area;
    private readonly Luks2Store _store;
    private readonly List<LeftOver> _leftOver = [];

    private Luks2ReencryptHeader(IBlockDevice area, Luks2Copies copies)
    {
        _area = area;
        _store = new Luks2Store(area, copies);
        NeedsCleanUp = Has(CleanUpFlag);
        IsDone = !Luks2Requirements.KnowsReencryption(_store.Metadata.Config);
        Plan = IsDone ? null! : Luks2ReencryptPlan.Of(_store.Metadata);
    }

    /// <summary>From what to what; not to be asked for where <see cref="IsDone"/>.</summary>
    public Luks2ReencryptPlan Plan { get; }

    IZonePlan IZoneJournal.Plan => Plan;

    /// <summary>The payload has its final form.</summary>
    public bool IsDone { get; private set; }

    /// <summary>The payload is done, but see <see cref="CleanUpAsync"/>.</summary>
    public bool NeedsCleanUp { get; private set; }

    /// <summary>The payload has its final form, and is not encrypted.</summary>
    public bool IsPlain => IsDone && _store.Metadata.Segments[0].Crypt is null;

    /// <summary>Bytes of the payload where the header fixes them, as it does until it is cleaned up.</summary>
    public long? FixedLength => (long?)_store.Metadata.Segments[0].Size;

    /// <summary>Bytes in front of the payload.</summary>
    public long PayloadOffset => (long)(IsDone ? _store.Metadata.Segments[0] : Plan.After).Offset;

    /// <summary>The file grew for the time of the re-encryption.</summary>
    public bool HasGrown => Has(GrownFlag);

    /// <summary>Behind the payload lie bytes of the plain disk.</summary>
    public bool HasTail => Has(TailFlag);

    /// <summary>The payload that is done got another key.</summary>
    public bool HasNewKey => Has(NewKeyFlag);

    /// <summary>When all else is done, the header becomes LUKS1.</summary>
    public bool BecomesLuks1 => Has(Luks1Flag);

    public string Uuid => LuksText.Label(_store.Binary.Uuid.AsSpan());

    /// <exception cref="RefusedException"><see cref="ErrorIds.Luks2NotReencrypting"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.Luks2ReencryptionUnsupported"/>, or the id of another requirement.</exception>
    /// <exception cref="InvalidImageException">The header is damaged, or contradicts itself.</exception>
    public static async ValueTask<Luks2ReencryptHeader> OpenAsync(IBlockDevice area, CancellationToken cancellationToken)
    {
        Luks2Copies copies = await Luks2Copies.ReadAsync(area, cancellationToken);
        Luks2Config config = copies.Current.Metadata.Config;
        bool reencrypts = Luks2Requirements.KnowsReencryption(config);
        if (config.Requirements.Length != (reencrypts ? 1 : 0))
        {
            Luks2Requirements.RequireMet(config);
        }

        return reencrypts || config.Flags.Contains(CleanUpFlag) || config.Flags.Contains(Luks1Flag)
            ? new Luks2ReencryptHeader(area, copies)
            : throw new RefusedException(ErrorIds.Luks2NotReencrypting, "The LUKS2 header knows of no re-encryption that is not finished.");
    }

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Luks2ReencryptionInvalid"/>.</exception>
    public PayloadPosition Position(long length) => Luks2ReencryptSegments.PositionOf(Plan, _store.Metadata, length);

    /// <summary>Opens the keys of both sides, and proves with them that nobody else has changed what is to be done.</summary>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Luks2ReencryptionUnproven"/>.</exception>
    public async ValueTask<Luks2ReencryptKeys> UnlockAsync(IReadOnlyList<SecretBuffer> passphrases, CancellationToken cancellationToken)
    {
        SecretBuffer? before = await OpenAsync(Plan.DigestBefore, passphrases, cancellationToken);
        SecretBuffer? after = null;
        try
        {
            after = Plan.DigestAfter == Plan.DigestBefore ? before?.Copy() : await OpenAsync(Plan.DigestAfter, passphrases, cancellationToken);
            using SecretBuffer message = Luks2ReencryptDigest.Message(Plan, before, after);
            Luks2Digest? digest = _store.Metadata.DigestOfKeyslot(Plan.Slot.Number);
            if (digest is null || !await LuksWork.RunAsync(() => Luks2Proof.Of(digest).Proves(message.Span), cancellationToken))
            {
                throw new InvalidImageException(ErrorIds.Luks2ReencryptionUnproven,
                    "The metadata of the re-encryption is not what its keys prove: it was changed by somebody who does not have them, or was made by an old cryptsetup ('cryptsetup repair').");
            }

            return new Luks2ReencryptKeys(before, after);
        }
        catch
        {
            before?.Dispose();
            after?.Dispose();
            throw;
        }
    }

    /// <summary>No zone is left to rewrite, but the re-encryption is not ended.</summary>
    /// <remarks>Only cryptsetup leaves that: it destroys the old key slots, material first, before it ends the re-encryption.</remarks>
    public bool IsAtEnd(long length) => Position(length) == new PayloadPosition(length);

    /// <summary>Ends a re-encryption of which <see cref="IsAtEnd"/> is true. The old key may be gone already.</summary>
    /// <remarks>What both keys would have proven speaks of zones that are to be rewritten, and there are none.</remarks>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>: none opens the key that the payload has.</exception>
    public async ValueTask EndAsync(long length, IReadOnlyList<SecretBuffer> passphrases, CancellationToken cancellationToken)
    {
        (await OpenAsync(Plan.DigestAfter, passphrases, cancellationToken))?.Dispose();
        await BeginAsync(cancellationToken);
        await FinishAsync(length);
    }

    public async ValueTask BeginAsync(CancellationToken cancellationToken) => await _store.BeginAsync(cancellationToken);

    public ValueTask CommitAsync(long length, PayloadPosition position) =>
        _store.CommitAsync(new Luks2Edit(_store.Metadata).SetSegments(Luks2ReencryptSegments.At(Plan, length, position)).Done());

    public async ValueTask ProtectAsync(ReadOnlyMemory<byte> record)
    {
        await _area.WriteAsync((long)Plan.Slot.Area.Offset, record, CancellationToken.None);
        await _area.FlushAsync(CancellationToken.None);
    }

    public ValueTask ReadProtectionAsync(long offset, Memory<byte> record, CancellationToken cancellationToken) =>
        _area.ReadAsync((long)Plan.Slot.Area.Offset + offset, record, cancellationToken);

    /// <summary>Ends the re-encryption in one change: the payload has its final form, the old key's slots are gone.</summary>
    /// <remarks>
    /// The payload's length is fixed, and <see cref="CleanUpFlag"/> set, until <see cref="CleanUpAsync"/>. There is no moment at which the
    /// metadata shows a single segment and an unfinished re-encryption: cryptsetup would begin again from the first byte.
    /// </remarks>
    public async ValueTask FinishAsync(long length)
    {
        Luks2Metadata metadata = _store.Metadata;
        int[] old = [.. metadata.Keyslots.Select(slot => slot.Number).Where(slot => slot == Plan.Slot.Number || IsOld(slot))];
        _leftOver.AddRange(old.Select(slot => LeftOver.Of(metadata.Keyslot(slot)!)));
        Luks2Edit edit = new Luks2Edit(metadata)
            .ReplaceSegments([Luks2ReencryptSegments.Whole(Plan, length)])
            .DropRequirement(metadata.Config.Requirements.Single())
            .SetFlags([CleanUpFlag, .. Plan.Course == Luks2Course.MoveUp ? [TailFlag] : Plan.Mode == ReencryptionMode.Reencrypt ? [NewKeyFlag] : Array.Empty<string>()], true);
        await _store.CommitAsync(old.Aggregate(edit, (changed, slot) => changed.RemoveKeyslot(slot)).Done());
        NeedsCleanUp = true;
        IsDone = true;
    }

    /// <summary>Destroys the old key material and what protected the zones, which may be plain bytes; then lets the payload reach to the end of its device.</summary>
    public async ValueTask CleanUpAsync(CancellationToken cancellationToken)
    {
        // After a crash nobody knows any more which of the free areas held something.
        IEnumerable<LeftOver> areas = _leftOver.Count > 0
            ? _leftOver
            : Luks2Areas.Gaps(_store.Metadata).Select(gap => new LeftOver(gap.Offset, gap.Length, HeldKey: gap.Length <= MaxKeyMaterial));
        foreach (LeftOver area in areas.ToArray())
        {
            await (area.HeldKey
                ? LuksEraser.OverwriteAsync(_area, area.Offset, area.Length, cancellationToken)
                : LuksEraser.OverwriteOnceAsync(_area, area.Offset, area.Length, cancellationToken));
        }

        await _store.CommitAsync(new Luks2Edit(_store.Metadata)
            .ReplaceSegments([Luks2ReencryptSegments.ToEnd(_store.Metadata)])
            .SetFlags([CleanUpFlag, GrownFlag, TailFlag, .. BecomesLuks1 ? Array.Empty<string>() : [NewKeyFlag, VhdxFlag, VhdFlag]], false)
            .Done());
        NeedsCleanUp = false;
    }

    private bool Has(string flag) => _store.Metadata.Config.Flags.Contains(flag);

    private bool IsOld(int slot) => Plan.DigestBefore != Plan.DigestAfter && _store.Metadata.DigestOfKeyslot(slot)?.Number == Plan.DigestBefore;

    private async ValueTask<SecretBuffer?> OpenAsync(int? digest, IReadOnlyList<SecretBuffer> passphrases, CancellationToken cancellationToken)
    {
        if (digest is not { } number)
        {
            return null;
        }

        Luks2Digest proof = _store.Metadata.Digests.Single(digest => digest.Number == number);
        foreach (Luks2Keyslot slot in _store.Metadata.Keyslots.Where(slot => slot.IsLuks2 && proof.Keyslots.Contains(slot.Number)))
        {
            foreach (SecretBuffer passphrase in passphrases)
            {
                if (await Luks2SlotReader.TryOpenAsync(_area, Luks2Slot.Of(slot), Luks2Proof.Of(proof), passphrase, cancellationToken) is { } key)
                {
                    return key;
                }
            }
        }

        throw new WrongKeyException(ErrorIds.WrongPassphrase, number == Plan.DigestBefore
            ? "No passphrase given opens a key slot of the key that the payload had; both keys are needed until the re-encryption is finished."
            : "No passphrase given opens a key slot of the key that the payload gets; both keys are needed until the re-encryption is finished.");
    }

    private readonly record struct LeftOver(long Offset, long Length, bool HeldKey)
    {
        public static LeftOver Of(Luks2Keyslot slot) => new((long)slot.Area.Offset, (long)slot.Area.Size, HeldKey: slot.Reencrypt is null);
    }
}
