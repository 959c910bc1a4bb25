using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VmCrypt.Core.Block.Local;

/// <summary>The Linux calls that .NET does not offer. All set the last P/Invoke error; structures are those of 64-bit Linux.</summary>
internal static partial class Libc
{
    public const int CurrentFolder = -100;

    public const int Interrupted = 4;

    [Flags]
    public enum OpenFlags
    {
        ReadOnly = 0,
        ReadWrite = 2,
        Create = 0x40,
        Exclusive = 0x80,
        NoFollow = 0x20000,
        NonBlocking = 0x800,
        CloseOnExec = 0x80000,
    }

    [Flags]
    public enum AllocateFlags
    {
        None = 0,
        KeepSize = 1,
        PunchHole = 2,
        ZeroRange = 0x10,
    }

    public enum Whence
    {
        Data = 3,
        Hole = 4,
    }

    /// <summary>renameat2: fail when the target exists.</summary>
    public const uint RenameNoReplace = 1;

    // Not File.OpenHandle: that takes a flock of its own, which on NFS covers the bytes that QEMU locks.
    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, OpenFlags flags, uint mode);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    public static partial int Sync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    public static partial int SyncData(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    public static partial int Allocate(SafeFileHandle file, AllocateFlags flags, long offset, long count);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    public static partial long Seek(SafeFileHandle file, long offset, Whence whence);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Rename(int fromFolder, string from, int toFolder, string to, uint flags);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Link(string existing, string name);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int Control(SafeFileHandle file, LockCommand command, ref ByteLock range);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int Control(SafeFileHandle file, StatusCommand command, nint flags);

    /// <summary>A lock of the open file as a whole, which knows nothing of locked ranges, save on network file systems.</summary>
    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    public static partial int Lock(SafeFileHandle file, WholeLock operation);

    /// <summary>flock: the kind of lock, and not to wait for it.</summary>
    [Flags]
    public enum WholeLock
    {
        None = 0,
        Shared = 1,
        Exclusive = 2,
        DoNotWait = 4,
        Release = 8,
    }

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    public static partial int Advise(SafeFileHandle file, long offset, long count, Advice advice);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Control(SafeFileHandle device, BlockRequest request, out int value);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Control(SafeFileHandle device, BlockRequest request, out long value);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Control(SafeFileHandle device, BlockRequest request, ref ByteRange range);

    /// <summary>ioctl numbers of linux/fs.h.</summary>
    public enum BlockRequest : ulong
    {
        IsReadOnly = 0x125E, // BLKROGET, int
        LogicalBlock = 0x1268, // BLKSSZGET, int
        PhysicalBlock = 0x127B, // BLKPBSZGET, int
        Discard = 0x1277, // BLKDISCARD, range
        DropCache = 0x1261, // BLKFLSBUF, nothing
        Size = 0x80081272, // BLKGETSIZE64, long
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct ByteRange
    {
        public long Offset;
        public long Count;
    }

    /// <summary>fcntl: the status flags of an open file.</summary>
    public enum StatusCommand
    {
        Get = 3,
        Set = 4,

        /// <summary>Of the descriptor itself, not of the open file.</summary>
        SetDescriptor = 2,
    }

    /// <summary>FD_CLOEXEC.</summary>
    public const nint CloseOnExecFlag = 1;

    /// <summary>O_DIRECT, which is another bit on ARM than elsewhere.</summary>
    public static nint Direct => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x10000 : 0x4000;

    public enum Advice
    {
        NotNeeded = 4,
    }

    /// <summary>Commands for locks that belong to the open file, not to the process.</summary>
    public enum LockCommand
    {
        Test = 36,
        Set = 37,
    }

    public enum LockKind : short
    {
        Read = 0,
        Write = 1,
        None = 2,
    }

    /// <summary>struct flock; the owner's process id must be zero for locks of an open file.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct ByteLock
    {
        public LockKind Kind;
        public short Whence;
        public long Start;
        public long Length;
        public int Process;
    }
}
