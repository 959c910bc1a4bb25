using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Block.Nbd;

namespace VmCrypt.Core.Stack;

/// <summary>Opens the lowest layer: a file, a block device or an NBD export.</summary>
internal static class StorageOpener
{
    public static async ValueTask<IBlockDevice> OpenAsync(
        DiskLocation location, bool writable, bool forceShare, CancellationToken cancellationToken)
    {
        if (location.IsNbd)
        {
            var client = new NbdClientOptions { ReadOnly = !writable };
            return AlignedDevice.Over(await NbdDevice.ConnectAsync(NbdUri.Parse(location.Text), client, cancellationToken));
        }

        var local = new LocalDiskOptions { Writable = writable, Locking = forceShare ? ImageLocking.ForceShare : ImageLocking.Exclude };
        return AlignedDevice.Over(await LocalDisk.OpenAsync(location.Text, local, cancellationToken));
    }
}
