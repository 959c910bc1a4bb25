using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Guest data at its place in the image file or the external data file, as plain bytes.</summary>
internal sealed class ClusterData
{
    private const int Sector = 512;

    private readonly int _clusterSize;
    private readonly SectorCipher? _legacyCipher;

    /// <param name="storage">The file that holds guest data; stays the caller's.</param>
    /// <param name="clusterSize">Bytes.</param>
    /// <param name="method">LUKS counts the sectors of the file; the legacy AES counts those of the guest's disk.</param>
    /// <param name="cipher">Null for a plain image; stays the caller's.</param>
    /// <param name="isExternal">Whether the storage is an external data file, which may be shorter than the disk.</param>
    public ClusterData(IBlockDevice storage, int clusterSize, Qcow2CryptMethod method, SectorCipher? cipher, bool isExternal)
    {
        Storage = storage;
        IsExternal = isExternal;
        IsEncrypted = cipher is not null;
        _clusterSize = clusterSize;
        _legacyCipher = method == Qcow2CryptMethod.Aes ? cipher : null;
        Device = method == Qcow2CryptMethod.Luks ? new CryptDevice(SubDevice.Tail(storage, 0, ownsInner: false), cipher!) : storage;
    }

    /// <summary>The file itself.</summary>
    public IBlockDevice Storage { get; }

    /// <summary>The file with its encryption undone, for all but the legacy scheme.</summary>
    public IBlockDevice Device { get; }

    public bool IsEncrypted { get; }

    public bool IsExternal { get; }

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2ClusterOutsideFile"/>.</exception>
    public async ValueTask ReadAsync(long guest, long host, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        // The last cluster of a file may be cut short. One that lies wholly behind the end was lost.
        int present = (int)Math.Clamp(Device.Length - host, 0, buffer.Length);
        if (!IsExternal && present < buffer.Length && ((host + buffer.Length - 1) & -(long)_clusterSize) >= Storage.Length)
        {
            throw new InvalidImageException(ErrorIds.Qcow2ClusterOutsideFile,
                $"The disk's bytes from {guest} on should be at offset {host}, but the file ends at {Storage.Length}.");
        }

        if (present > 0)
        {
            await Device.ReadAsync(host, buffer[..present], cancellationToken);
        }

        buffer[present..].Span.Clear();
        _legacyCipher?.Decrypt((ulong)guest / Sector, buffer.Span, buffer.Span);
    }

    public ValueTask WriteAsync(long host, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
        Device.WriteAsync(host, buffer, cancellationToken);
}
