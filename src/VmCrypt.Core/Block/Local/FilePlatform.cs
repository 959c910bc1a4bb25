using Microsoft.Win32.SafeHandles;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Block.Local;

/// <summary>What a path stands for.</summary>
internal enum PathKind
{
    Missing,
    File,
    BlockDevice,
    Folder,

    /// <summary>A character device, FIFO or socket.</summary>
    Other,
}

/// <summary>What operating systems do differently with files; this class itself is what every .NET platform can do.</summary>
internal class FilePlatform
{
    public static FilePlatform Current { get; } =
        OperatingSystem.IsLinux() ? new LinuxPlatform()
        : OperatingSystem.IsWindows() ? new WindowsPlatform()
        : new FilePlatform();

    /// <summary>Files have holes, and ranges can be made holes.</summary>
    public virtual bool HasSparseFiles => false;

    /// <summary>Follows symbolic links.</summary>
    public virtual PathKind KindOf(string path) =>
        Directory.Exists(path) ? PathKind.Folder
        : File.Exists(path) ? PathKind.File
        : PathKind.Missing;

    /// <summary>The full path of what <paramref name="path"/> stands for, links at its end followed; it need not exist.</summary>
    public static string FinalPath(string path) =>
        Try(() => new FileInfo(path) is { LinkTarget: not null } link
            ? link.ResolveLinkTarget(returnFinalTarget: true)!.FullName
            : Path.GetFullPath(path), "Following", path);

    /// <summary>Opens an existing file or block device and takes the image locks that <paramref name="options"/> ask for.</summary>
    public virtual SafeFileHandle Open(string path, PathKind kind, LocalDiskOptions options)
    {
        Expect(kind, KindOf(path), path);
        FileAccess access = options.Writable ? FileAccess.ReadWrite : FileAccess.Read;
        FileShare share = options.Locking == ImageLocking.Exclude ? FileShare.Read : FileShare.ReadWrite | FileShare.Delete;
        return Try(() => File.OpenHandle(path, FileMode.Open, access, share), "Opening", path);
    }

    /// <summary>Closes the file and gives up its image locks.</summary>
    public virtual void Close(SafeFileHandle handle) => handle.Dispose();

    /// <summary>Creates a file that only its owner may read and write, and opens it; fails if there is one.</summary>
    public virtual SafeFileHandle Create(string path) => Try(() =>
    {
        SafeFileHandle handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.Read | FileShare.Delete);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(handle, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        return handle;
    }, "Creating", path);

    public virtual void Flush(SafeFileHandle handle, string path) => Try(() =>
    {
        RandomAccess.FlushToDisk(handle);
        return true;
    }, "Flushing", path);

    /// <summary>Zeroes without writing; false if the file system cannot.</summary>
    /// <param name="keepAllocated">Leave the range backed by storage; otherwise make it a hole.</param>
    public virtual bool TryZero(SafeFileHandle handle, string path, long offset, long count, bool keepAllocated) => false;

    /// <summary>Reserves storage for the whole file; false if the file system cannot.</summary>
    public virtual bool TryAllocate(SafeFileHandle handle, string path, long length) => false;

    /// <summary>Makes reads and writes go past the page cache; null if they cannot, else the alignment in bytes of offsets and counts.</summary>
    public virtual int? TryBypassCache(SafeFileHandle handle) => null;

    /// <summary>Lets the page cache forget what is flushed, as far as the system does that.</summary>
    public virtual void DropCache(SafeFileHandle handle)
    {
    }

    /// <summary>The extent that starts at <paramref name="offset"/>, at most up to <paramref name="end"/>.</summary>
    public virtual Extent ExtentAt(SafeFileHandle handle, string path, long offset, long end) => new(offset, end - offset, ExtentKind.Data);

    /// <summary>Bytes of storage that a file takes.</summary>
    public virtual long AllocatedSize(string path) => Try(() => new FileInfo(path).Length, "Measuring", path);

    /// <summary>Gives a file another name in the same folder, in one step that cannot be seen half done.</summary>
    public virtual void Rename(string from, string to, bool replace) => Try(() =>
    {
        File.Move(from, to, replace);
        return true;
    }, "Renaming the finished file to", to);

    /// <summary>Makes the folder's entries durable.</summary>
    public virtual void FlushFolder(string folder)
    {
    }

    /// <summary>Refuses what is not of the kind that can be used.</summary>
    protected static void Expect(PathKind expected, PathKind found, string path)
    {
        if (found == PathKind.Missing)
        {
            throw new MissingException(ErrorIds.FileNotFound, $"There is no file '{path}'.");
        }

        if (found != expected)
        {
            throw new InvalidInputException(ErrorIds.NotADisk, $"'{path}' is {Name(found)}; what is needed is {Name(expected)}.");
        }
    }

    private static string Name(PathKind kind) => kind switch
    {
        PathKind.File => "a regular file",
        PathKind.BlockDevice => "a block device",
        PathKind.Folder => "a folder",
        _ => "a character device, pipe or socket",
    };

    protected static T Try<T>(Func<T> call, string doing, string path)
    {
        try
        {
            return call();
        }
        catch (Exception thrown) when (IOFaults.Is(thrown))
        {
            throw IOFaults.From(thrown, doing, path);
        }
    }
}
