namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>An access lies outside of the device.</summary>
    public const string OutOfRange = nameof(OutOfRange);

    /// <summary>An access to a device below does not keep to its block size.</summary>
    public const string Misaligned = nameof(Misaligned);

    /// <summary>The device's size is fixed.</summary>
    public const string ResizeUnsupported = nameof(ResizeUnsupported);

    /// <summary>A write to a device that was opened, or is, read-only.</summary>
    public const string DeviceReadOnly = nameof(DeviceReadOnly);

    /// <summary>The file system has no space left.</summary>
    public const string DiskFull = nameof(DiskFull);

    /// <summary>The file system knows no files of that size.</summary>
    public const string FileTooLarge = nameof(FileTooLarge);

    /// <summary>The operating system reported an input/output error.</summary>
    public const string DeviceIO = nameof(DeviceIO);

    /// <summary>The file or device does not exist.</summary>
    public const string FileNotFound = nameof(FileNotFound);

    /// <summary>The file that was to be created exists.</summary>
    public const string FileExists = nameof(FileExists);

    /// <summary>The operating system refuses access.</summary>
    public const string AccessDenied = nameof(AccessDenied);

    /// <summary>Another process (often a running QEMU) holds a lock on the image.</summary>
    public const string ImageInUse = nameof(ImageInUse);

    /// <summary>The host itself uses the block device: it is mounted, swap, or part of another device.</summary>
    public const string DeviceInUse = nameof(DeviceInUse);

    /// <summary>The path is neither a regular file nor a block device.</summary>
    public const string NotADisk = nameof(NotADisk);

    /// <summary>The file system has no locks, so that nobody can tell whether the image is in use.</summary>
    public const string LockUnavailable = nameof(LockUnavailable);

    /// <summary>The file system cannot reserve storage without writing it.</summary>
    public const string PreallocationUnsupported = nameof(PreallocationUnsupported);

    /// <summary>Zeroing was asked for only if it is fast, and is not.</summary>
    public const string ZeroNotFast = nameof(ZeroNotFast);
}
