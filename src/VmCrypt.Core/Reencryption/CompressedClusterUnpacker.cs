using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Reencryption;

/// <summary>Gives compressed clusters of the active disk places of their own, as a guest does that writes to them what it reads.</summary>
internal static class CompressedClusterUnpacker
{
    // What is looked up at a time; the rewriting changes the tables below.
    private const long Window = 1L << 30;

    /// <param name="image">Open for writing, with its cipher where it has one.</param>
    /// <param name="cancellationToken">Cancels between clusters: the disk is the same.</param>
    public static async ValueTask RunAsync(Qcow2Image image, CancellationToken cancellationToken)
    {
        byte[] cluster = new byte[image.Facts.ClusterSize];
        for (long at = 0; at < image.Length; at += Window)
        {
            var compressed = new List<Qcow2Mapping>();
            await foreach (Qcow2Mapping mapping in image.MapAsync(at, Math.Min(Window, image.Length - at), cancellationToken))
            {
                if (mapping.Kind == Qcow2MappingKind.Compressed)
                {
                    compressed.Add(mapping);
                }
            }

            foreach (Qcow2Mapping mapping in compressed)
            {
                for (long offset = mapping.GuestOffset; offset < mapping.GuestOffset + mapping.Length; offset += cluster.Length)
                {
                    Memory<byte> bytes = cluster.AsMemory(0, (int)Math.Min(cluster.Length, image.Length - offset));
                    await image.ReadAsync(offset, bytes, cancellationToken);
                    await image.WriteAsync(offset, bytes, cancellationToken);
                }
            }
        }
    }
}
