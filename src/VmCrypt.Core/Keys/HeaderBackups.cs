using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Keys;

/// <summary>A header backup, as it was written or found.</summary>
/// <param name="Path">The image.</param>
/// <param name="DetachedHeader">Where its header lies if not in the image.</param>
/// <param name="BackupPath">The file that holds the copy.</param>
/// <param name="ActiveKeySlots">Slots that passphrases open: all of those open the image with this file, whatever is changed in the image.</param>
public sealed record HeaderBackup(
    string Path, string? DetachedHeader, string BackupPath, LuksVersion Version, string Uuid, long Length, int ActiveKeySlots);

/// <summary>Copies LUKS headers to files and back, wherever the header lies: in front, inside, over or beside.</summary>
public static class HeaderBackups
{
    /// <summary>Writes the header and its key material to a new file that only its owner can read, as cryptsetup's luksHeaderBackup does.</summary>
    /// <remarks>The file appears under its name when it is complete. An image that a VM has open can be backed up as well.</remarks>
    /// <param name="replace">Replace an existing file.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.FileExists"/>.</exception>
    public static async ValueTask<HeaderBackup> BackupAsync(
        DiskLocation location, DiskOpenOptions options, string path, bool replace, CancellationToken cancellationToken)
    {
        LuksHeaderBackup backup = await ReadAsync(location, options, cancellationToken);
        await WriteAsync(backup, path, replace, cancellationToken);
        return Describe(location, options, path, backup);
    }

    /// <summary>Finds out whether a backup can be restored to an image, and holds the image until it is or is not.</summary>
    /// <param name="keys">What opens the backup, to prove by the volume key itself that it belongs to the image; borrowed. Null compares digests.</param>
    /// <param name="force">Also where the image shows no header to compare with, or one with another UUID or of another version.</param>
    /// <exception cref="RefusedException">The id of what differs, <c>HeaderBackup…</c>; <see cref="ErrorIds.LuksHeaderDestroyed"/>.</exception>
    /// <exception cref="InvalidImageException">What is wrong with the backup.</exception>
    /// <exception cref="WrongKeyException">The keys do not open the backup.</exception>
    public static async ValueTask<HeaderRestoration> PlanRestoreAsync(
        DiskLocation location, DiskOpenOptions options, string path, DiskKeys? keys, bool force, CancellationToken cancellationToken)
    {
        HeaderPlace place = await HeaderPlace.OpenAsync(location, options with { Writable = true }, cancellationToken);
        try
        {
            LuksHeaderBackup backup = await ReadFileAsync(path, place.Placement, cancellationToken);
            using VolumeKey? key = keys is null ? null : await UnlockAsync(backup.Header, keys, location, cancellationToken);
            if (place.Header is { } header)
            {
                LuksHeaderMatch.Require(header, backup.Header, force);
                await LuksHeaderMatch.RequireSameKeyAsync(header, backup.Header, key, cancellationToken);
            }
            else if (!force)
            {
                throw new RefusedException(ErrorIds.LuksHeaderDestroyed,
                    $"The image {location} shows no LUKS header that the backup could be compared with; force overwrites what stands there instead. {place.Damage?.Message}".TrimEnd());
            }

            LuksHeaderRestore.RequireFits(place.Area, place.Placement, backup.Header);
            return new HeaderRestoration(place, backup, Describe(location, options, path, backup));
        }
        catch
        {
            await place.DisposeAsync();
            throw;
        }
    }

    internal static async ValueTask WriteAsync(LuksHeaderBackup backup, string path, bool replace, CancellationToken cancellationToken)
    {
        await using PendingFile file = await PendingFile.CreateAsync(path, new FileCreateOptions { Length = backup.Bytes.Length }, replace, cancellationToken);
        await file.Device.WriteAsync(0, backup.Bytes, cancellationToken);
        await file.CommitAsync(cancellationToken);
    }

    private static async ValueTask<LuksHeaderBackup> ReadAsync(DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        options = options with { HeadersOnly = true, HoldHeader = true, Writable = false };
        try
        {
            return await ReadOpenAsync(location, options, cancellationToken);
        }
        catch (DeviceBusyException busy) when (busy.ErrorId == ErrorIds.ImageInUse)
        {
            // A running VM does not change its header; who does holds the header's lock, or writes so that it can be read at any moment.
            return await ReadOpenAsync(location, options with { ForceShare = true }, cancellationToken);
        }
    }

    private static async ValueTask<LuksHeaderBackup> ReadOpenAsync(DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        await using HeaderPlace place = await HeaderPlace.OpenAsync(location, options, cancellationToken);
        return place.Header is null
            ? throw place.Damage ?? DiskStack.NoKeySlots(location, EncryptionPlacement.None)
            : await LuksHeaderBackup.ReadAsync(place.Area, place.Placement, cancellationToken);
    }

    private static async ValueTask<LuksHeaderBackup> ReadFileAsync(string path, LuksPlacement placement, CancellationToken cancellationToken)
    {
        await using IBlockDevice file = AlignedDevice.Over(await LocalDisk.OpenAsync(path, LocalDiskOptions.ReadOnly, cancellationToken));
        return await LuksHeaderBackup.ReadAsync(file, placement == LuksPlacement.Attached ? LuksPlacement.Detached : placement, cancellationToken);
    }

    private static async ValueTask<VolumeKey> UnlockAsync(LuksHeader backup, DiskKeys keys, DiskLocation location, CancellationToken cancellationToken) =>
        keys.VolumeKey is { } volumeKey
            ? await backup.UnlockWithVolumeKeyAsync(volumeKey, cancellationToken)
            : (await backup.UnlockAsync(keys.For(location)!, keys.Slot, cancellationToken)).Key;

    internal static HeaderBackup Describe(DiskLocation location, DiskOpenOptions options, string path, LuksHeaderBackup backup) => new(
        location.Text,
        options.HeaderPath,
        path,
        backup.Header.Version,
        backup.Header.Uuid,
        backup.Bytes.Length,
        backup.Header.Slots.Count(slot => slot.IsActive));
}
