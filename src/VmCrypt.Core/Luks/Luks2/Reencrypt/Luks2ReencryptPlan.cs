using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2.Reencrypt;

/// <summary>From what to what a payload is re-encrypted; the same from the first to the last zone.</summary>
/// <param name="Slot">The key slot of the type <c>reencrypt</c>.</param>
/// <param name="Before">How the payload was: the backup segment <c>backup-previous</c>.</param>
/// <param name="After">How it will be: <c>backup-final</c>.</param>
/// <param name="Moved">Where the first bytes of a moving payload lie: <c>backup-moved-segment</c>.</param>
/// <param name="DigestBefore">Proves the key before; null for a plain payload.</param>
/// <param name="DigestAfter">Proves the key after; null for a plain payload.</param>
internal sealed record Luks2ReencryptPlan(
    Luks2Keyslot Slot, Luks2Segment Before, Luks2Segment After, Luks2Segment? Moved, int? DigestBefore, int? DigestAfter) : IZonePlan
{
    public const string PreviousFlag = "backup-previous";
    public const string FinalFlag = "backup-final";
    public const string MovedFlag = "backup-moved-segment";
    public const string HotFlag = "in-reencryption";

    public Luks2ReencryptTerms Terms => Slot.Reencrypt!;

    public ReencryptionMode Mode => Terms.Mode;

    public Luks2Course Course => (Moved, Terms.IsBackward) switch
    {
        (null, false) => Luks2Course.Forward,
        (null, true) => Luks2Course.Backward,
        (_, true) => Luks2Course.MoveUp,
        (_, false) => Luks2Course.MoveDown,
    };

    public long MovedLength => (long)(Moved?.Size ?? 0);

    public int Alignment => (int)Math.Max(Math.Max(Before.Crypt?.SectorSize ?? 0, After.Crypt?.SectorSize ?? 0), Math.Max(Terms.BlockSize, Luks2Layout.SectorSize));

    /// <summary>The requirement that a header with this plan has, as cryptsetup names it.</summary>
    public string Requirement => Luks2Requirements.OnlineReencrypt + (Course == Luks2Course.MoveDown ? "-v3" : "-v2");

    /// <summary>Bytes of the payload on a device of <paramref name="deviceLength"/> bytes.</summary>
    public long PayloadLength(long deviceLength) => Course switch
    {
        Luks2Course.MoveUp => (long)Before.Size!.Value,
        Luks2Course.MoveDown => deviceLength - (long)Before.Offset,
        _ => deviceLength - (long)After.Offset,
    } is var length && length > 0
        ? Course == Luks2Course.MoveUp ? length : length / Alignment * Alignment
        : throw new InvalidImageException(ErrorIds.PayloadMissing, $"The payload starts at byte {Before.Offset}, but the device has only {deviceLength} bytes.");

    public long Source(PayloadZone zone) => zone.Offset + (long)(zone.Offset < MovedLength ? Moved! : Before).Offset;

    public long Target(PayloadZone zone) => zone.Offset + (long)After.Offset;

    public PayloadZone Next(long done, long length, long longest)
    {
        long rest = length - done;
        longest = Terms.Shift > 0 ? Math.Min(longest, (long)Terms.Shift) : longest;
        switch (Course)
        {
            case Luks2Course.MoveUp when rest <= MovedLength:
                return new PayloadZone(0, rest);
            case Luks2Course.MoveUp:
                long up = Math.Min(longest, rest - MovedLength);
                return new PayloadZone(rest - up, up);
            case Luks2Course.MoveDown when rest <= MovedLength:
                return new PayloadZone(0, MovedLength);
            case Luks2Course.MoveDown:
                return new PayloadZone(MovedLength + done, Math.Min(longest, rest - MovedLength));
            case Luks2Course.Backward:
                long down = Math.Min(longest, rest);
                return new PayloadZone(rest - down, down);
            default:
                return new PayloadZone(done, Math.Min(longest, rest));
        }
    }

    public long DoneBefore(PayloadZone zone, long length) => Course switch
    {
        Luks2Course.Forward => zone.Offset,
        Luks2Course.MoveDown => zone.Offset == 0 ? length - MovedLength : zone.Offset - MovedLength,
        _ => length - zone.End,
    };

    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.Luks2ReencryptionUnsupported"/>: what only cryptsetup finishes.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Luks2ReencryptionInvalid"/>.</exception>
    public static Luks2ReencryptPlan Of(Luks2Metadata metadata)
    {
        Luks2Keyslot slot = metadata.Keyslots.FirstOrDefault(slot => slot.Reencrypt is not null) ?? throw Invalid("has no key slot that says how");
        Luks2Segment before = WithFlag(metadata, PreviousFlag) ?? throw Invalid("does not say from what");
        Luks2Segment after = WithFlag(metadata, FinalFlag) ?? throw Invalid("does not say to what");
        var plan = new Luks2ReencryptPlan(slot, before, after, WithFlag(metadata, MovedFlag), DigestOf(metadata, before), DigestOf(metadata, after));
        plan.RequireKnown(metadata.Config);
        plan.RequireSound();
        return plan;
    }

    /// <summary>How far it is on a device of <paramref name="deviceLength"/> bytes; null for a kind that is not known here.</summary>
    public static ReencryptionFacts? Describe(Luks2Metadata metadata, long deviceLength)
    {
        try
        {
            var plan = Of(metadata);
            long length = plan.PayloadLength(deviceLength);
            PayloadPosition position = Luks2ReencryptSegments.PositionOf(plan, metadata, length);
            return new ReencryptionFacts(plan.Mode, plan.Terms.Resilience, length, position.Done, position.Hot is not null);
        }
        catch (VmCryptException unknown) when (unknown is UnsupportedFeatureException or InvalidImageException)
        {
            return null;
        }
    }

    private static Luks2Segment? WithFlag(Luks2Metadata metadata, string flag) => metadata.Segments.LastOrDefault(segment => segment.Is(flag));

    private static int? DigestOf(Luks2Metadata metadata, Luks2Segment segment) =>
        segment.Crypt is null ? null : metadata.DigestOfSegment(segment.Number)?.Number;

    private void RequireKnown(Luks2Config config)
    {
        bool known = config.Requirements.Contains(Requirement) && Course switch
        {
            Luks2Course.MoveUp => Mode == ReencryptionMode.Encrypt && Terms.Resilience == Luks2ReencryptTerms.DataShift,
            Luks2Course.MoveDown => Mode == ReencryptionMode.Decrypt
                && Terms.Resilience is Luks2ReencryptTerms.DataShiftChecksum or Luks2ReencryptTerms.DataShiftJournal,
            _ => Terms.Resilience is Luks2ReencryptTerms.Checksum or Luks2ReencryptTerms.Journal && Before.Size == After.Size,
        };
        if (!known)
        {
            throw new UnsupportedFeatureException(ErrorIds.Luks2ReencryptionUnsupported,
                $"The re-encryption ({string.Join(", ", config.Requirements)}, {Mode}, {Terms.Resilience}) is of a kind that only cryptsetup finishes: 'cryptsetup reencrypt --resume-only'.");
        }

        if ((Before.Crypt?.Integrity ?? After.Crypt?.Integrity) is not null)
        {
            throw new UnsupportedFeatureException(ErrorIds.Luks2IntegrityUnsupported, "A payload with authentication tags is not re-encrypted here.");
        }
    }

    // Offsets are those of a device, so that sums of two of them do not overflow.
    private void RequireSound()
    {
        const ulong Limit = long.MaxValue / 4;
        bool kinds = (Mode == ReencryptionMode.Encrypt) == (Before.Crypt is null) && (Mode == ReencryptionMode.Decrypt) == (After.Crypt is null)
            && (Before.Crypt is null) == (DigestBefore is null) && (After.Crypt is null) == (DigestAfter is null);
        bool offsets = new[] { Before, After, Moved ?? After }.All(segment => segment.Offset < Limit && (segment.Size ?? 0) < Limit) && Terms.Shift < Limit;
        bool places = Course switch
        {
            Luks2Course.MoveUp => Before is { Offset: 0, Size: not null } && After.Offset == Terms.Shift
                && Moved!.Crypt is null && Moved.Size is > 0 && Moved.Size == Math.Min(Terms.Shift, Before.Size.Value) && Moved.Offset >= Before.Size,
            Luks2Course.MoveDown => After.Offset == 0 && Before.Offset == Terms.Shift
                && Moved is { Offset: 0, Crypt: not null, Size: > 0 } && Moved.Size <= Terms.Shift && Moved.DoesAs(Before),
            _ => Before.Offset == After.Offset,
        };
        if (!kinds || !offsets || !places)
        {
            throw Invalid("contradicts itself about what lies where");
        }
    }

    private static InvalidImageException Invalid(string what) =>
        new(ErrorIds.Luks2ReencryptionInvalid, $"The LUKS2 metadata speaks of a re-encryption, but {what}.");
}
