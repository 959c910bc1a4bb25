using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using VmCrypt.Core.Errors;
using static VmCrypt.Core.Block.Local.Libc;

namespace VmCrypt.Core.Block.Local;

/// <summary>cryptsetup's lock on a LUKS2 header: who holds it keeps cryptsetup waiting, and waits for cryptsetup.</summary>
/// <remarks>
/// <para>A flock of the file itself or, for a block device, of a file in /run/cryptsetup that is named by its numbers, made by the
/// first who needs it and removed by the last. (cryptsetup, lib/utils_device_locking.c.) It has nothing to do with QEMU's locks,
/// which are of byte ranges, except on NFS, where a flock covers all of them: there none is taken.</para>
/// <para>Held for the moments in which a header is changed or copied, never while a disk is in use. Linux only; on Windows, where
/// there is no cryptsetup, the share modes of <see cref="FilePlatform.Open"/> do the same.</para>
/// </remarks>
internal sealed class HeaderLock : IDisposable
{
    private const string Folder = "/run/cryptsetup";
    private const UnixFileMode FolderMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const int WouldBlock = 11; // EWOULDBLOCK

    // cryptsetup itself waits for ever; nobody changes a header for as long as this.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(20);

    private readonly SafeFileHandle _file;
    private readonly string? _resource;

    private HeaderLock(SafeFileHandle file, string? resource)
    {
        _file = file;
        _resource = resource;
    }

    /// <summary>Waits for the lock on the header in a file or block device; null where there is nothing to be locked.</summary>
    /// <param name="exclusive">For a change; else others may read as well.</param>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.LuksHeaderLocked"/>.</exception>
    public static ValueTask<HeaderLock?> TakeAsync(string path, bool exclusive, CancellationToken cancellationToken) =>
        TakeAsync(path, exclusive, s_patience, cancellationToken);

    /// <inheritdoc cref="TakeAsync(string, bool, CancellationToken)"/>
    /// <param name="patience">How long to wait.</param>
    public static async ValueTask<HeaderLock?> TakeAsync(string path, bool exclusive, TimeSpan patience, CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        var waiting = Stopwatch.StartNew();
        while (true)
        {
            if (TryTake(path, exclusive, out HeaderLock? taken))
            {
                return taken;
            }

            if (waiting.Elapsed >= patience)
            {
                throw new DeviceBusyException(ErrorIds.LuksHeaderLocked,
                    $"The LUKS header of '{path}' is locked by {FileUsers.Describe(path)}, as cryptsetup does while it works on one; try again when that has ended.");
            }

            await Task.Delay(s_interval, cancellationToken);
        }
    }

    /// <summary>cryptsetup's lock on the re-encryption of one header, held as long as it runs; null where nobody may make such locks.</summary>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.LuksHeaderLocked"/>.</exception>
    public static HeaderLock? TakeReencryption(string uuid)
    {
        if (!OperatingSystem.IsLinux() || !Guid.TryParse(uuid, out _) || !Environment.IsPrivilegedProcess)
        {
            return null;
        }

        Directory.CreateDirectory(Folder, FolderMode);
        string resource = $"{Folder}/LN_LUKS2-reencryption-{uuid}";
        SafeFileHandle file = LinuxPlatform.OpenHandle(resource, OpenFlags.ReadWrite | OpenFlags.Create | OpenFlags.NoFollow);
        if (Lock(file, WholeLock.Exclusive | WholeLock.DoNotWait) == 0 && IsStill(file, resource))
        {
            return new HeaderLock(file, resource);
        }

        file.Dispose();
        throw new DeviceBusyException(ErrorIds.LuksHeaderLocked, $"The disk with the LUKS header {uuid} is being re-encrypted by another process.");
    }

    public void Dispose()
    {
        if (_file.IsClosed)
        {
            return;
        }

        if (OperatingSystem.IsLinux() && _resource is not null && Lock(_file, WholeLock.Exclusive | WholeLock.DoNotWait) == 0 && IsStill(_file, _resource))
        {
            File.Delete(_resource);
        }

        // By name, because a process that was just started may have a copy of the handle yet.
        _ = Lock(_file, WholeLock.Release);
        _file.Dispose();
    }

    [SupportedOSPlatform("linux")]
    private static bool TryTake(string path, bool exclusive, out HeaderLock? taken)
    {
        taken = null;
        PathKind kind = FilePlatform.Current.KindOf(path);
        if (kind is not (PathKind.File or PathKind.BlockDevice) || (kind == PathKind.File && IsOnNfs(path)))
        {
            return true;
        }

        string? resource = kind == PathKind.BlockDevice ? ResourceOf(path) : null;
        SafeFileHandle file = resource is null ? OpenFile(path) : LinuxPlatform.OpenHandle(resource, OpenFlags.ReadWrite | OpenFlags.Create | OpenFlags.NoFollow);
        WholeLock operation = (exclusive ? WholeLock.Exclusive : WholeLock.Shared) | WholeLock.DoNotWait;
        if (Lock(file, operation) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            file.Dispose();
            return error is WouldBlock or Interrupted ? false : throw IOFaults.FromErrno(error, "Locking", path);
        }

        // Who had it before may have removed the file since it was opened.
        if (resource is not null && !IsStill(file, resource))
        {
            file.Dispose();
            return false;
        }

        taken = new HeaderLock(file, resource);
        return true;
    }

    [SupportedOSPlatform("linux")]
    private static SafeFileHandle OpenFile(string path) => LinuxPlatform.OpenHandle(path, OpenFlags.ReadOnly | OpenFlags.NonBlocking);

    [SupportedOSPlatform("linux")]
    private static string ResourceOf(string path)
    {
        (uint major, uint minor) = FileStatus.Of(path)!.SpecialDevice;
        if (!Directory.Exists(Folder))
        {
            Directory.CreateDirectory(Folder, FolderMode);
        }

        return $"{Folder}/L_{major}:{minor}";
    }

    [SupportedOSPlatform("linux")]
    private static bool IsStill(SafeFileHandle file, string path) => FileStatus.Of(path, follow: false) is { } there && there.IsSameFile(FileStatus.Of(file));

    private static bool IsOnNfs(string path)
    {
        try
        {
            return new DriveInfo(path).DriveFormat.StartsWith("nfs", StringComparison.Ordinal);
        }
        catch (Exception unknown) when (IOFaults.Is(unknown) || unknown is ArgumentException)
        {
            return false;
        }
    }
}
