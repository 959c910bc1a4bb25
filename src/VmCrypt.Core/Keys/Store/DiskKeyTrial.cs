namespace VmCrypt.Core.Keys.Store;

/// <summary>What became of a stored key.</summary>
public enum DiskKeyState
{
    /// <summary>It opens the image.</summary>
    Good,

    /// <summary>It opens nothing any more: the passphrase of the slot was changed without the store.</summary>
    Stale,

    /// <summary>The image has another LUKS header than the one that the key was stored for.</summary>
    OtherHeader,

    /// <summary>There is no image at the path.</summary>
    ImageMissing,

    /// <summary>A rotation was interrupted: the old secret still opens the image, the new one does not.</summary>
    RotationNotMade,

    /// <summary>A rotation was interrupted: the new secret opens the image already.</summary>
    RotationNotConfirmed,

    /// <summary>The stored secret was not stored for this record.</summary>
    Forged,

    /// <summary>The image could not be tried.</summary>
    Unreadable,
}

/// <summary>A stored key, tried on its image.</summary>
/// <param name="Slot">The key slot that the secret opens; null for none.</param>
/// <param name="Reason">Why it is not good; null where it is.</param>
public sealed record DiskKeyTrial(DiskKeyEntry Entry, DiskKeyState State, int? Slot, string? Reason)
{
    /// <summary>The image opens by what the store holds.</summary>
    public bool Opens => Slot is not null;
}
