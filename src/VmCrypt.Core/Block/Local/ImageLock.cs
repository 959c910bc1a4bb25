using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using VmCrypt.Core.Errors;
using static VmCrypt.Core.Block.Local.Libc;

namespace VmCrypt.Core.Block.Local;

/// <summary>QEMU's image locks: who holds which permission on an image, said in single bytes that are locked for reading.</summary>
/// <remarks>
/// <para>A process that uses a permission locks the byte 100 + permission; one that does not want others to use it locks
/// 200 + permission. All these locks are shared, so nobody is ever refused one; instead, each asks after taking its own whether
/// a write lock on the opposite bytes <em>would</em> be refused, and backs out if so. (QEMU, block/file-posix.c.)</para>
/// <para>They are locks of the open file (F_OFD_SETLK), gone when it is closed, and bytes beyond its end may be locked, too.</para>
/// </remarks>
internal static class ImageLock
{
    private const long HeldBase = 100;
    private const long UnsharedBase = 200;

    private const int Again = 11; // EAGAIN
    private const int AccessDenied = 13; // EACCES

    /// <summary>QEMU's BLK_PERM bits; the bit number is the byte's number.</summary>
    [Flags]
    private enum Permissions
    {
        None = 0,
        ConsistentRead = 1,
        Write = 2,
        WriteUnchanged = 4,
        Resize = 8,
        All = ConsistentRead | Write | WriteUnchanged | Resize,
    }

    /// <summary>Takes the locks that QEMU takes for an image opened in this way.</summary>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.ImageInUse"/>: another process does not agree.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LockUnavailable"/>.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.InvalidParameter"/>: writing with force-share.</exception>
    public static void Take(SafeFileHandle file, string path, LocalDiskOptions options)
    {
        if (options is { Writable: true, Locking: ImageLocking.ForceShare })
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, $"'{path}' cannot be opened for writing while others may write to it.");
        }

        if (options.Locking == ImageLocking.None)
        {
            return;
        }

        Permissions held = options.Writable
            ? Permissions.ConsistentRead | Permissions.Write | Permissions.Resize
            : Permissions.ConsistentRead;
        Permissions shared = options.Locking == ImageLocking.ForceShare
            ? Permissions.All
            : Permissions.ConsistentRead | Permissions.WriteUnchanged;
        try
        {
            Set(file, path, held, Permissions.All & ~shared);
            Check(file, path, held, shared);
        }
        catch
        {
            Release(file);
            throw;
        }
    }

    /// <summary>Gives up all locks. Closing does so, too, but not while a process that was just started still has its copy of the handle.</summary>
    public static void Release(SafeFileHandle file)
    {
        var range = new ByteLock { Kind = LockKind.None, Start = HeldBase, Length = 2 * (UnsharedBase - HeldBase) };
        _ = Control(file, LockCommand.Set, ref range);
    }

    private static void Set(SafeFileHandle file, string path, Permissions held, Permissions unshared)
    {
        foreach (long place in Places(HeldBase, held).Concat(Places(UnsharedBase, unshared)))
        {
            ByteLock range = RangeAt(place, LockKind.Read);
            if (Control(file, LockCommand.Set, ref range) < 0)
            {
                throw Refusal(path);
            }
        }
    }

    private static void Check(SafeFileHandle file, string path, Permissions held, Permissions shared)
    {
        foreach (Permissions permission in Each(held).Where(permission => IsTaken(file, path, UnsharedBase, permission)))
        {
            throw Busy(path, $"it does not share \"{Name(permission)}\"");
        }

        foreach (Permissions permission in Each(Permissions.All & ~shared).Where(permission => IsTaken(file, path, HeldBase, permission)))
        {
            throw Busy(path, $"it holds \"{Name(permission)}\"");
        }
    }

    private static bool IsTaken(SafeFileHandle file, string path, long at, Permissions permission)
    {
        ByteLock range = RangeAt(Places(at, permission).Single(), LockKind.Write);
        return Control(file, LockCommand.Test, ref range) == 0
            ? range.Kind != LockKind.None
            : throw Refusal(path);
    }

    private static VmCryptException Refusal(string path) => Marshal.GetLastPInvokeError() is Again or AccessDenied
        ? Busy(path, "it has locked the image as a whole")
        : new UnsupportedFeatureException(ErrorIds.LockUnavailable,
            $"'{path}' cannot be locked against other users: {Marshal.GetLastPInvokeErrorMessage()}. Open it without locks only if nobody else does.");

    private static DeviceBusyException Busy(string path, string how) =>
        new(ErrorIds.ImageInUse, $"'{path}' is in use by {FileUsers.Describe(path)}: {how}.");

    private static ByteLock RangeAt(long place, LockKind kind) => new() { Kind = kind, Start = place, Length = 1 };

    private static IEnumerable<long> Places(long at, Permissions permissions) =>
        Each(permissions).Select(permission => at + long.TrailingZeroCount((long)permission));

    private static IEnumerable<Permissions> Each(Permissions permissions) =>
        Enumerable.Range(0, 4).Select(bit => (Permissions)(1 << bit)).Where(permission => permissions.HasFlag(permission));

    private static string Name(Permissions permission) => permission switch
    {
        Permissions.ConsistentRead => "consistent read",
        Permissions.Write => "write",
        Permissions.WriteUnchanged => "write unchanged",
        _ => "resize",
    };
}
