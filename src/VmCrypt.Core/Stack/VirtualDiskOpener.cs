using VmCrypt.Core.Block;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhd;
using VmCrypt.Core.Images.Vhdx;

namespace VmCrypt.Core.Stack;

/// <summary>Opens Hyper-V's containers, alone: the caller attaches their parents.</summary>
internal static class VirtualDiskOpener
{
    /// <summary>Opens the disk in <paramref name="storage"/>, which it takes (not if this throws); writable where that is.</summary>
    public static async ValueTask<IVirtualDisk> OpenAsync(IBlockDevice storage, ImageFormat format, CancellationToken cancellationToken) =>
        format == ImageFormat.Vhdx
            ? await VhdxImage.OpenAsync(storage, new VhdxOpenOptions { Writable = storage.Traits.CanWrite }, cancellationToken)
            : await VhdImage.OpenAsync(storage, new VhdOpenOptions { Writable = storage.Traits.CanWrite }, cancellationToken);
}
