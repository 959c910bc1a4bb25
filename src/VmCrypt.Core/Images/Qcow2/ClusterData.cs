using System.Buffers;
using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Guest data at its place in the image file or the external data file, decrypted and encrypted on the way.</summary>
/// <param name="device">The file that holds guest data.</param>
/// <param name="cipher">Null for a plain image.</param>
/// <param name="clusterSize">Bytes.</param>
/// <param name="ivFromGuest">Legacy AES counts sectors of the guest's disk; LUKS counts sectors of the file.</param>
/// <param name="isExternal">Whether the device is an external data file, which may be shorter than the disk.</param>
internal sealed class ClusterData(IBlockDevice device, SectorCipher? cipher, int clusterSize, bool ivFromGuest, bool isExternal)
{
    // Large enough to keep the cipher busy, small enough to stay in the second-level cache until it is written.
    private const int EncryptPiece = 512 * 1024;

    private const int Sector = 512;

    public IBlockDevice Device => device;

    public bool IsEncrypted => cipher is not null;

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2ClusterOutsideFile"/>.</exception>
    public async ValueTask ReadAsync(long guest, long host, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        // The last cluster of a file may be cut short. One that lies wholly behind the end was lost.
        int present = (int)Math.Clamp(device.Length - host, 0, buffer.Length);
        if (!isExternal && present < buffer.Length && ((host + buffer.Length - 1) & -(long)clusterSize) >= device.Length)
        {
            throw new InvalidImageException(ErrorIds.Qcow2ClusterOutsideFile,
                $"The disk's bytes from {guest} on should be at offset {host}, but the file ends at {device.Length}.");
        }

        await device.ReadAsync(present == 0 ? 0 : host, buffer[..present], cancellationToken);
        buffer[present..].Span.Clear();
        cipher?.Decrypt(SectorOf(guest, host), buffer.Span, buffer.Span);
    }

    public ValueTask WriteAsync(long guest, long host, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
        cipher is null ? device.WriteAsync(host, buffer, cancellationToken) : WriteEncryptedAsync(cipher, guest, host, buffer, cancellationToken);

    private async ValueTask WriteEncryptedAsync(
        SectorCipher encryption, long guest, long host, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        byte[] rented = ArrayPool<byte>.Shared.Rent(Math.Min(EncryptPiece, buffer.Length));
        try
        {
            for (int at = 0; at < buffer.Length; at += EncryptPiece)
            {
                int count = Math.Min(EncryptPiece, buffer.Length - at);
                // Only ciphertext ever stands in the pooled array, so it needs no wiping.
                encryption.Encrypt(SectorOf(guest + at, host + at), buffer.Span.Slice(at, count), rented.AsSpan(0, count));
                await device.WriteAsync(host + at, rented.AsMemory(0, count), cancellationToken);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private ulong SectorOf(long guest, long host) => (ulong)(ivFromGuest ? guest : host) / Sector;
}
