using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using VmCrypt.Core.Errors;
using static VmCrypt.Core.Block.Local.Libc;

namespace VmCrypt.Core.Block.Local;

/// <summary>Linux: sparse files by fallocate and SEEK_DATA, real flush errors, QEMU's image locks.</summary>
[SupportedOSPlatform("linux")]
internal sealed class LinuxPlatform : FilePlatform
{
    private const uint OwnerOnly = 0x180; // 0600
    private const int NoSuchData = 6; // ENXIO
    private const int FilesOnly = 22; // EINVAL
    private const int NoSuchCall = 38; // ENOSYS
    private const int NotSupported = 95; // EOPNOTSUPP

    public override bool HasSparseFiles => true;

    public override PathKind KindOf(string path)
    {
        if (FileStatus.Of(path) is { } status)
        {
            return KindOf(status);
        }

        VmCryptException fault = IOFaults.Last("Looking at", path);
        return fault.ErrorId == ErrorIds.FileNotFound ? PathKind.Missing : throw fault;
    }

    public override SafeFileHandle Open(string path, PathKind kind, LocalDiskOptions options)
    {
        // Looked at before it is opened, because opening a tape rewinds it, and after, because the path may lead elsewhere by then.
        Expect(kind, KindOf(path), path);
        OpenFlags flags = OpenFlags.NonBlocking | (options.Writable ? OpenFlags.ReadWrite : OpenFlags.ReadOnly);
        if (kind == PathKind.BlockDevice && options.Writable)
        {
            // Without Create, this asks the kernel for the device as a mount does: nobody else may have it.
            flags |= OpenFlags.Exclusive;
        }

        SafeFileHandle handle = kind == PathKind.BlockDevice ? OpenDevice(path, flags) : OpenHandle(path, flags);
        try
        {
            Expect(kind, KindOf(FileStatus.Of(handle)), path);
            ImageLock.Take(handle, path, options);
            return handle;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    public override void Close(SafeFileHandle handle)
    {
        if (!handle.IsClosed)
        {
            ImageLock.Release(handle);
            handle.Dispose();
        }
    }

    public override SafeFileHandle Create(string path)
    {
        SafeFileHandle handle = OpenHandle(path, OpenFlags.ReadWrite | OpenFlags.Create | OpenFlags.Exclusive);
        try
        {
            ImageLock.Take(handle, path, LocalDiskOptions.ReadWrite);
            return handle;
        }
        catch
        {
            handle.Dispose();
            File.Delete(path);
            throw;
        }
    }

    public override void Flush(SafeFileHandle handle, string path)
    {
        while (SyncData(handle) < 0)
        {
            ThrowUnlessInterrupted("Flushing", path);
        }
    }

    public override bool TryZero(SafeFileHandle handle, string path, long offset, long count, bool keepAllocated)
    {
        if (!keepAllocated)
        {
            return TryAllocate(handle, path, AllocateFlags.PunchHole | AllocateFlags.KeepSize, offset, count);
        }

        // Where ranges cannot be zeroed in place (tmpfs), a hole that is filled again comes to the same.
        return TryAllocate(handle, path, AllocateFlags.ZeroRange | AllocateFlags.KeepSize, offset, count)
            || (TryAllocate(handle, path, AllocateFlags.PunchHole | AllocateFlags.KeepSize, offset, count)
                && TryAllocate(handle, path, AllocateFlags.KeepSize, offset, count));
    }

    public override bool TryAllocate(SafeFileHandle handle, string path, long length) =>
        TryAllocate(handle, path, AllocateFlags.None, 0, length);

    public override int? TryBypassCache(SafeFileHandle handle)
    {
        nint flags = Control(handle, StatusCommand.Get, 0);
        return flags >= 0 && Control(handle, StatusCommand.Set, flags | Direct) == 0 ? FileStatus.Of(handle).DirectAlignment : null;
    }

    public override void DropCache(SafeFileHandle handle)
    {
        // Forgetting is advice for files; a block device can be told, by root.
        _ = Advise(handle, 0, 0, Advice.NotNeeded);
        _ = Control(handle, BlockRequest.DropCache, out int _);
    }

    public override Extent ExtentAt(SafeFileHandle handle, string path, long offset, long end)
    {
        long data = Seek(handle, offset, Whence.Data);
        if (data < 0)
        {
            return Marshal.GetLastPInvokeError() switch
            {
                NoSuchData => new Extent(offset, end - offset, ExtentKind.Hole),
                FilesOnly or NotSupported => base.ExtentAt(handle, path, offset, end),
                _ => throw IOFaults.Last("Mapping", path),
            };
        }

        if (data > offset)
        {
            return new Extent(offset, Math.Min(data, end) - offset, ExtentKind.Hole);
        }

        long hole = Seek(handle, offset, Whence.Hole);
        return hole > offset
            ? new Extent(offset, Math.Min(hole, end) - offset, ExtentKind.Data)
            : throw IOFaults.Last("Mapping", path);
    }

    public override void Rename(string from, string to, bool replace)
    {
        if (Libc.Rename(CurrentFolder, from, CurrentFolder, to, replace ? 0 : RenameNoReplace) == 0)
        {
            return;
        }

        if (replace || Marshal.GetLastPInvokeError() is not (FilesOnly or NoSuchCall))
        {
            throw IOFaults.Last("Renaming the finished file to", to);
        }

        // NFS and old FUSE know no rename that does not replace; a second name for the file never does.
        if (Link(from, to) < 0)
        {
            throw IOFaults.Last("Naming the finished file", to);
        }

        File.Delete(from);
    }

    public override void FlushFolder(string folder)
    {
        using SafeFileHandle handle = OpenHandle(folder, OpenFlags.ReadOnly);
        while (Sync(handle) < 0)
        {
            // Some network file systems cannot flush folders; there is nothing more to be done there.
            if (Marshal.GetLastPInvokeError() == FilesOnly)
            {
                return;
            }

            ThrowUnlessInterrupted("Flushing the folder", folder);
        }
    }

    public static SafeFileHandle OpenHandle(string path, OpenFlags flags)
    {
        string doing = flags.HasFlag(OpenFlags.Create) ? "Creating" : "Opening";
        int descriptor;
        while ((descriptor = Libc.Open(path, flags | OpenFlags.CloseOnExec, OwnerOnly)) < 0)
        {
            ThrowUnlessInterrupted(doing, path);
        }

        return new SafeFileHandle(descriptor, ownsHandle: true);
    }

    private static SafeFileHandle OpenDevice(string path, OpenFlags flags)
    {
        try
        {
            return OpenHandle(path, flags);
        }
        catch (DeviceBusyException)
        {
            throw BlockNode.Busy(path);
        }
    }

    public override long AllocatedSize(string path) => FileStatus.Of(path)?.Allocated ?? base.AllocatedSize(path);

    private static PathKind KindOf(FileStatus status) => status.Kind switch
    {
        FileStatus.FileKind.Regular => PathKind.File,
        FileStatus.FileKind.BlockDevice => PathKind.BlockDevice,
        FileStatus.FileKind.Folder => PathKind.Folder,
        _ => PathKind.Other,
    };

    private static bool TryAllocate(SafeFileHandle handle, string path, AllocateFlags flags, long offset, long count)
    {
        while (Allocate(handle, flags, offset, count) < 0)
        {
            if (Marshal.GetLastPInvokeError() is NotSupported or NoSuchCall)
            {
                return false;
            }

            ThrowUnlessInterrupted("Changing the allocation of", path);
        }

        return true;
    }

    private static void ThrowUnlessInterrupted(string doing, string path)
    {
        if (Marshal.GetLastPInvokeError() != Interrupted)
        {
            throw IOFaults.Last(doing, path);
        }
    }
}
