using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;

namespace VmCrypt.Core.Block.Local;

/// <summary>What Linux says about a file beyond what .NET passes on: owner, links, inode, birth, device numbers (statx(2)).</summary>
/// <remarks>statx and not stat, because its structure is the same on every processor and C library.</remarks>
[SupportedOSPlatform("linux")]
internal sealed partial record FileStatus
{
    private const int TypeMask = 0xF000;

    public required ulong Inode { get; init; }

    /// <summary>Major and minor number of the device that holds the file.</summary>
    public required (uint Major, uint Minor) Device { get; init; }

    /// <summary>Major and minor number of the device that the file is, if it is one.</summary>
    public required (uint Major, uint Minor) SpecialDevice { get; init; }

    public required UnixFileMode Mode { get; init; }

    public required FileKind Kind { get; init; }

    public required uint UserId { get; init; }

    public required uint GroupId { get; init; }

    public required uint Links { get; init; }

    public required long Length { get; init; }

    /// <summary>Bytes that the file system has allocated to it.</summary>
    public required long Allocated { get; init; }

    /// <summary>Time of birth in nanoseconds since 1970, null where the file system keeps none; with the inode it names a file for good.</summary>
    public required long? BornNanoseconds { get; init; }

    public required ulong Attributes { get; init; }

    /// <summary>The mount that it was found through, as mountinfo numbers them; null before Linux 5.8.</summary>
    public required ulong? MountId { get; init; }

    /// <summary>Bytes to which direct I/O is aligned; a page where the kernel (before 6.1) does not say.</summary>
    public required int DirectAlignment { get; init; }

    /// <summary>Bytes in which the file system works.</summary>
    public required int BlockSize { get; init; }

    /// <summary>Compressed by the file system, as far as it says so.</summary>
    public bool IsCompressed => (Attributes & 0x4) != 0;

    /// <summary>Cannot be changed, or only at its end (<c>chattr +i</c>, <c>+a</c>).</summary>
    public bool IsImmutable => (Attributes & 0x30) != 0;

    public enum FileKind
    {
        Other = 0,
        CharacterDevice = 0x2000,
        Folder = 0x4000,
        BlockDevice = 0x6000,
        Regular = 0x8000,
        SymbolicLink = 0xA000,
        Socket = 0xC000,
    }

    /// <summary>The status of a path, null where nothing is there; <paramref name="follow"/> looks through a symbolic link.</summary>
    public static FileStatus? Of(string path, bool follow = true) =>
        StatX(AtWorkingFolder, path, follow ? 0 : NoFollow, WantAll, out Raw raw) == 0 ? From(raw) : null;

    /// <summary>The status of an open file.</summary>
    public static FileStatus Of(SafeFileHandle file)
    {
        if (StatX(file, string.Empty, EmptyPath, WantAll, out Raw raw) != 0)
        {
            throw new IOException($"statx failed: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        return From(raw);
    }

    /// <summary>Names the same file, and not one that took its place.</summary>
    public bool IsSameFile(FileStatus other) => Inode == other.Inode && Device == other.Device && BornNanoseconds == other.BornNanoseconds;

    private static FileStatus From(in Raw raw) => new()
    {
        Inode = raw.Inode,
        Device = (raw.DeviceMajor, raw.DeviceMinor),
        SpecialDevice = (raw.SpecialMajor, raw.SpecialMinor),
        Mode = (UnixFileMode)(raw.Mode & 0xFFF),
        Kind = (FileKind)(raw.Mode & TypeMask) is var kind && Enum.IsDefined(kind) ? kind : FileKind.Other,
        UserId = raw.UserId,
        GroupId = raw.GroupId,
        Links = raw.Links,
        Length = (long)raw.Size,
        Allocated = (long)raw.Blocks * 512,
        BornNanoseconds = (raw.Mask & WantBirth) != 0 ? (raw.Birth.Seconds * 1_000_000_000) + raw.Birth.Nanoseconds : null,
        Attributes = raw.Attributes & raw.AttributesMask,
        MountId = (raw.Mask & WantMount) != 0 ? raw.MountId : null,
        DirectAlignment = (raw.Mask & WantDirect) != 0 && raw.DirectOffsetAlignment > 0 ? (int)raw.DirectOffsetAlignment : 4096,
        BlockSize = (int)raw.BlockSize,
    };

    private const int AtWorkingFolder = -100;
    private const int NoFollow = 0x100;
    private const int EmptyPath = 0x1000;
    private const uint WantBirth = 0x800;
    private const uint WantMount = 0x1000;
    private const uint WantDirect = 0x2000;
    private const uint WantAll = 0x3FFF;

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int folder, string path, int flags, uint mask, out Raw status);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(SafeFileHandle file, string path, int flags, uint mask, out Raw status);

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Timestamp
    {
        public readonly long Seconds;
        public readonly uint Nanoseconds;
        private readonly int _reserved;
    }

    // struct statx of linux/stat.h, 256 bytes.
    [StructLayout(LayoutKind.Sequential, Size = 256)]
    private readonly struct Raw
    {
        public readonly uint Mask;
        public readonly uint BlockSize;
        public readonly ulong Attributes;
        public readonly uint Links;
        public readonly uint UserId;
        public readonly uint GroupId;
        public readonly ushort Mode;
        private readonly ushort _spare;
        public readonly ulong Inode;
        public readonly ulong Size;
        public readonly ulong Blocks;
        public readonly ulong AttributesMask;
        public readonly Timestamp Access;
        public readonly Timestamp Birth;
        public readonly Timestamp Change;
        public readonly Timestamp Modification;
        public readonly uint SpecialMajor;
        public readonly uint SpecialMinor;
        public readonly uint DeviceMajor;
        public readonly uint DeviceMinor;
        public readonly ulong MountId;
        public readonly uint DirectMemoryAlignment;
        public readonly uint DirectOffsetAlignment;
    }
}
