using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace VmCrypt.Core.Block.Local;

/// <summary>Windows: sparse files of NTFS and ReFS. QEMU takes no locks there; share modes keep writers apart.</summary>
[SupportedOSPlatform("windows")]
internal sealed partial class WindowsPlatform : FilePlatform
{
    private const uint SetSparse = 0x900C4; // FSCTL_SET_SPARSE
    private const uint SetZeroData = 0x980C8; // FSCTL_SET_ZERO_DATA
    private const uint QueryAllocatedRanges = 0x940CF; // FSCTL_QUERY_ALLOCATED_RANGES

    private const int InvalidFunction = 1;
    private const int NotSupported = 50;
    private const int MoreData = 234;

    public override bool HasSparseFiles => true;

    public override SafeFileHandle Create(string path)
    {
        SafeFileHandle handle = base.Create(path);
        // Best effort: on FAT the file is simply not sparse.
        _ = DeviceIoControl(handle, SetSparse, 0, 0, 0, 0, out _, 0);
        return handle;
    }

    /// <summary>A sparse file gets a hole; any other is overwritten with zeros by the file system.</summary>
    public override bool TryZero(SafeFileHandle handle, string path, long offset, long count, bool keepAllocated)
    {
        if (keepAllocated)
        {
            return false;
        }

        var range = new FileRange(offset, offset + count);
        return Run(handle, path, SetZeroData, ref range, out _);
    }

    public override Extent ExtentAt(SafeFileHandle handle, string path, long offset, long end)
    {
        var range = new FileRange(offset, end - offset);
        if (!Run(handle, path, QueryAllocatedRanges, ref range, out FileRange? found))
        {
            return base.ExtentAt(handle, path, offset, end);
        }

        if (found is not { } allocated)
        {
            return new Extent(offset, end - offset, ExtentKind.Hole);
        }

        return allocated.First > offset
            ? new Extent(offset, allocated.First - offset, ExtentKind.Hole)
            : new Extent(offset, Math.Min(allocated.First + allocated.Second, end) - offset, ExtentKind.Data);
    }

    /// <summary>Two numbers: first byte and the one after the last, or first byte and count, as the request wants them.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct FileRange(long First, long Second);

    private static unsafe bool Run(SafeFileHandle handle, string path, uint code, ref FileRange input, out FileRange? output)
    {
        FileRange result = default;
        fixed (FileRange* source = &input)
        {
            bool done = DeviceIoControl(
                handle, code, (nint)source, (uint)sizeof(FileRange), (nint)(&result), (uint)sizeof(FileRange), out uint returned, 0);
            output = returned >= sizeof(FileRange) ? result : null;
            return done || Marshal.GetLastPInvokeError() switch
            {
                MoreData => true,
                InvalidFunction or NotSupported => false,
                int error => throw IOFaults.From(new IOException(Marshal.GetPInvokeErrorMessage(error), error), "Changing the allocation of", path),
            };
        }
    }

    [LibraryImport("kernel32", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool DeviceIoControl(
        SafeFileHandle device, uint code, nint input, uint inputSize, nint output, uint outputSize, out uint returned, nint overlapped);
}
