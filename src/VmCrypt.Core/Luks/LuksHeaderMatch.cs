using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks;

/// <summary>Whether the backup of a header belongs to a disk.</summary>
internal static class LuksHeaderMatch
{
    // The last three would make the payload unreadable, so that nothing forces them.
    private static readonly (string ErrorId, bool CanBeForced, Func<LuksHeader, LuksHeader, string?> Violation)[] s_rules =
    [
        (ErrorIds.HeaderBackupUuidDiffers, true, Uuid),
        (ErrorIds.HeaderBackupVersionDiffers, true, Version),
        (ErrorIds.HeaderBackupCipherDiffers, false, Cipher),
        (ErrorIds.HeaderBackupLayoutDiffers, false, Layout),
    ];

    /// <summary>Compares what both headers say without a key.</summary>
    /// <param name="force">The UUID and the version may differ: those can be changed without touching the payload.</param>
    /// <exception cref="RefusedException">The id of the first thing that differs.</exception>
    public static void Require(LuksHeader disk, LuksHeader backup, bool force)
    {
        foreach ((string errorId, bool canBeForced, Func<LuksHeader, LuksHeader, string?> violation) in s_rules)
        {
            if (violation(disk, backup) is { } sentence && !(force && canBeForced))
            {
                throw new RefusedException(errorId, canBeForced ? $"{sentence} Force restores it all the same." : sentence);
            }
        }
    }

    /// <summary>Makes sure that the backup holds the disk's volume key.</summary>
    /// <param name="key">The volume key of the backup; null to compare the digests, which is enough unless somebody made one of them anew.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.HeaderBackupKeyDiffers"/>.</exception>
    public static async ValueTask RequireSameKeyAsync(LuksHeader disk, LuksHeader backup, VolumeKey? key, CancellationToken cancellationToken)
    {
        if (key is null)
        {
            if (!disk.Proof.IsSameAs(backup.Proof))
            {
                throw KeyDiffers("A passphrase of the backup can prove them equal all the same.");
            }

            return;
        }

        try
        {
            using SecretBuffer raw = key.Export();
            (await disk.UnlockWithVolumeKeyAsync(raw, cancellationToken)).Dispose();
        }
        catch (WrongKeyException)
        {
            throw KeyDiffers("It was made before the disk was encrypted anew, or belongs to another disk.");
        }
    }

    private static string? Uuid(LuksHeader disk, LuksHeader backup) => disk.Uuid == backup.Uuid
        ? null
        : $"The backup is of the header {backup.Uuid}, but the disk has {disk.Uuid}.";

    private static string? Version(LuksHeader disk, LuksHeader backup) => disk.Version == backup.Version
        ? null
        : $"The backup is of a {LuksVersions.NameOf(backup.Version)} header, but the disk has {LuksVersions.NameOf(disk.Version)}.";

    // A LUKS2 header without key slots does not say how long its key is.
    private static string? Cipher(LuksHeader disk, LuksHeader backup)
    {
        (LuksPayload here, LuksPayload there) = (disk.Payload, backup.Payload);
        return here.Cipher == there.Cipher && (here.KeySize == there.KeySize || here.KeySize == 0 || there.KeySize == 0)
            ? null
            : $"The backup is of a payload under {there.Cipher} with {there.KeySize * 8} bits, but the disk has {here.Cipher} with {here.KeySize * 8}.";
    }

    private static string? Layout(LuksHeader disk, LuksHeader backup)
    {
        (LuksPayload here, LuksPayload there) = (disk.Payload, backup.Payload);
        bool same = (here.Offset, here.Length, here.SectorSize, here.IvOffset) == (there.Offset, there.Length, there.SectorSize, there.IvOffset);
        if (!same)
        {
            return $"The backup says that the payload starts at byte {there.Offset} in sectors of {there.SectorSize}, but the disk's starts at {here.Offset} in sectors of {here.SectorSize}.";
        }

        return disk.Version != backup.Version || disk.Version == LuksVersion.Luks1 || disk.HeaderLength == backup.HeaderLength
            ? null
            : $"The header in the backup has {backup.HeaderLength} bytes, but the disk's has {disk.HeaderLength}.";
    }

    private static RefusedException KeyDiffers(string more) =>
        new(ErrorIds.HeaderBackupKeyDiffers, $"The volume key in the backup is not the one of the disk. {more}");
}
