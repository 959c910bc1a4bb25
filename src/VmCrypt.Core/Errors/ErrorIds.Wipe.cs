namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>No wipe standard has the name.</summary>
    public const string WipeStandardUnknown = nameof(WipeStandardUnknown);

    /// <summary>A user-defined wipe standard breaks the rules of the table.</summary>
    public const string WipeStandardInvalid = nameof(WipeStandardInvalid);

    /// <summary>The target grew, shrank or was replaced while it was wiped.</summary>
    public const string WipeTargetChanged = nameof(WipeTargetChanged);

    /// <summary>Another target has the name than the one that was checked or planned for.</summary>
    public const string WipeTargetReplaced = nameof(WipeTargetReplaced);

    /// <summary>So much of the medium fails that going on makes no sense.</summary>
    public const string WipeMediumFailing = nameof(WipeMediumFailing);

    /// <summary>The path is a symbolic link.</summary>
    public const string WipeTargetIsLink = nameof(WipeTargetIsLink);

    /// <summary>The file has further names (hard links).</summary>
    public const string WipeTargetHasLinks = nameof(WipeTargetHasLinks);

    /// <summary>The file is marked immutable or append-only.</summary>
    public const string WipeTargetImmutable = nameof(WipeTargetImmutable);

    /// <summary>The target is used as swap.</summary>
    public const string WipeTargetIsSwap = nameof(WipeTargetIsSwap);

    /// <summary>The device, or a partition of it, is mounted.</summary>
    public const string WipeTargetMounted = nameof(WipeTargetMounted);

    /// <summary>The target is part of another device: a loop device, volume group, RAID set or opened LUKS disk.</summary>
    public const string WipeTargetHeld = nameof(WipeTargetHeld);

    /// <summary>The target carries the running system.</summary>
    public const string WipeTargetIsSystemDisk = nameof(WipeTargetIsSystemDisk);

    /// <summary>A file is no wipe journal, or was changed or torn.</summary>
    public const string WipeJournalDamaged = nameof(WipeJournalDamaged);

    /// <summary>A wipe journal was sealed under the key of another host or user.</summary>
    public const string WipeJournalKeyWrong = nameof(WipeJournalKeyWrong);

    /// <summary>A wipe journal belongs to another target.</summary>
    public const string WipeJournalForeign = nameof(WipeJournalForeign);

    /// <summary>A wipe of the target with other settings was begun and not finished.</summary>
    public const string WipeJournalPending = nameof(WipeJournalPending);

    /// <summary>Since a wipe was stopped, somebody has written to the target.</summary>
    public const string WipeTargetWritten = nameof(WipeTargetWritten);

    /// <summary>No journal tells of a wipe to go on with.</summary>
    public const string WipeJournalMissing = nameof(WipeJournalMissing);

    /// <summary>No wipe policy is stored for the VM.</summary>
    public const string WipePolicyMissing = nameof(WipePolicyMissing);

    /// <summary>The wipe policy allows neither erasing nor (or not asked for) deleting.</summary>
    public const string WipeNotAllowed = nameof(WipeNotAllowed);

    /// <summary>The wipe policy requires another standard.</summary>
    public const string WipeStandardNotAllowed = nameof(WipeStandardNotAllowed);

    /// <summary>The wipe policy wants a second confirmation.</summary>
    public const string WipeConfirmationMissing = nameof(WipeConfirmationMissing);

    /// <summary>The standard destroys key slots, and free space has none.</summary>
    public const string WipeStandardNeedsImage = nameof(WipeStandardNeedsImage);

    /// <summary>Other images are built on the file.</summary>
    public const string WipeTargetIsBacking = nameof(WipeTargetIsBacking);

    /// <summary>A file is no wipe certificate.</summary>
    public const string CertificateInvalid = nameof(CertificateInvalid);

    /// <summary>A file holds no key that can sign, or verify, wipe certificates.</summary>
    public const string CertificateKeyUnusable = nameof(CertificateKeyUnusable);

    /// <summary>Read back, the target holds other bytes than were written.</summary>
    public const string WipeNotVerified = nameof(WipeNotVerified);

    /// <summary>The file of what people know about a medium is not of its form.</summary>
    public const string CertificateDetailsInvalid = nameof(CertificateDetailsInvalid);
}
