namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>No wipe standard has the name.</summary>
    public const string WipeStandardUnknown = nameof(WipeStandardUnknown);

    /// <summary>A user-defined wipe standard breaks the rules of the table.</summary>
    public const string WipeStandardInvalid = nameof(WipeStandardInvalid);

    /// <summary>The target grew, shrank or was replaced while it was wiped.</summary>
    public const string WipeTargetChanged = nameof(WipeTargetChanged);

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
}
