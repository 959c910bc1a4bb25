using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Keys;

/// <summary>A volume key as a file: the raw bytes and nothing else, as cryptsetup's --volume-key-file writes and reads it.</summary>
public static class VolumeKeyExport
{
    /// <summary>Writes the volume key to a new file that only its owner can read, and returns its length in bytes.</summary>
    /// <param name="keys">What opens the image; or a slot that holds a key of its own, which is written then.</param>
    /// <param name="path">A file that does not exist yet. It opens the image without any passphrase, and whatever becomes of the key slots.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.FileExists"/>.</exception>
    /// <exception cref="WrongKeyException"><see cref="ErrorIds.WrongPassphrase"/>.</exception>
    public static async ValueTask<ExportedKey> RunAsync(
        DiskLocation location, DiskOpenOptions options, DiskKeys keys, string path, CancellationToken cancellationToken)
    {
        await using KeySlotSession session = await KeySlotSession.OpenAsync(location, options, writable: false, cancellationToken);
        StoredKey read = await session.ReadAsync(keys, cancellationToken);
        using SecretBuffer raw = read.Key;
        await using PendingFile file = await PendingFile.CreateAsync(path, new FileCreateOptions { Length = raw.Length }, replace: false, cancellationToken);
        await file.Device.WriteAsync(0, raw.Memory, cancellationToken);
        await file.CommitAsync(cancellationToken);
        return new ExportedKey(raw.Length, read.OpensData);
    }
}

/// <summary>A key that was written to a file.</summary>
/// <param name="Length">Bytes.</param>
/// <param name="OpensData">It is the volume key, not that of an unbound slot.</param>
public readonly record struct ExportedKey(int Length, bool OpensData);
