using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Local;

/// <summary>The door to what lies on this host: picks the device that fits the path.</summary>
public static class LocalDisk
{
    /// <summary>Opens a regular file or a block device; links are followed.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.FileNotFound"/>.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.NotADisk"/>: a folder, character device, pipe or socket.</exception>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.ImageInUse"/>, <see cref="ErrorIds.DeviceInUse"/>.</exception>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.AccessDenied"/>, <see cref="ErrorIds.DeviceReadOnly"/>.</exception>
    public static async ValueTask<IBlockDevice> OpenAsync(string path, LocalDiskOptions options, CancellationToken cancellationToken) =>
        OperatingSystem.IsLinux() && FilePlatform.Current.KindOf(path) == PathKind.BlockDevice
            ? await HostDevice.OpenAsync(path, options, cancellationToken)
            : await FileDevice.OpenAsync(path, options, cancellationToken);

    /// <summary>Whether the path leads to a block device; false where nothing is there.</summary>
    public static bool IsBlockDevice(string path) => FilePlatform.Current.KindOf(path) == PathKind.BlockDevice;

    /// <summary>Bytes of storage that a file takes: less than its length where it is sparse, all of a block device's.</summary>
    public static long AllocatedSize(IBlockDevice storage, string path) =>
        IsBlockDevice(path) ? storage.Length : FilePlatform.Current.AllocatedSize(path);
}
