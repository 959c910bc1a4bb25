using System.Buffers;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Reads compressed clusters; the last one stays unpacked, because readers come in small steps.</summary>
/// <remarks>They are never encrypted, not even in an encrypted image: so QEMU writes them, so we read them.</remarks>
internal sealed class CompressedClusters(IBlockDevice file, Qcow2Geometry geometry, Qcow2CompressionType type)
{
    private readonly Lock _lock = new();
    private ulong _lastDescriptor;
    private byte[]? _last;

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Qcow2CompressedClusterInvalid"/>, <see cref="ErrorIds.Qcow2ClusterOutsideFile"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.ZstdMissing"/>.</exception>
    public async ValueTask ReadAsync(L2Entry entry, int inCluster, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        byte[]? cluster = Recall(entry);
        if (cluster is null)
        {
            cluster = await UnpackAsync(entry, cancellationToken);
            Remember(entry, cluster);
        }

        cluster.AsSpan(inCluster, buffer.Length).CopyTo(buffer.Span);
    }

    /// <summary>To be called when places of clusters are given away.</summary>
    public void Forget()
    {
        lock (_lock)
        {
            _last = null;
        }
    }

    private byte[]? Recall(L2Entry entry)
    {
        lock (_lock)
        {
            return _lastDescriptor == entry.Descriptor ? _last : null;
        }
    }

    private void Remember(L2Entry entry, byte[] cluster)
    {
        lock (_lock)
        {
            _lastDescriptor = entry.Descriptor;
            _last = cluster;
        }
    }

    private async ValueTask<byte[]> UnpackAsync(L2Entry entry, CancellationToken cancellationToken)
    {
        (long offset, int length) = entry.CompressedPlace(geometry);
        if (offset >= file.Length)
        {
            throw new InvalidImageException(ErrorIds.Qcow2ClusterOutsideFile,
                $"A compressed cluster should be at offset {offset}, but the file ends at {file.Length}.");
        }

        // The entry counts whole sectors; the file may end before the last of them does.
        length = (int)Math.Min(length, file.Length - offset);
        byte[] packed = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            await file.ReadAsync(offset, packed.AsMemory(0, length), cancellationToken);
            byte[] cluster = new byte[geometry.ClusterSize];
            bool whole = type == Qcow2CompressionType.Zstd
                ? Zstd.TryUnpack(packed.AsSpan(0, length), cluster)
                : RawDeflate.TryUnpack(packed, length, cluster);
            return whole ? cluster : throw new InvalidImageException(ErrorIds.Qcow2CompressedClusterInvalid,
                $"The compressed cluster at offset {offset} is damaged: it does not give {geometry.ClusterSize} bytes.");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(packed);
        }
    }
}
