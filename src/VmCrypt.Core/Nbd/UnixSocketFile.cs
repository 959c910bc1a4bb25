using System.Net.Sockets;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Nbd;

/// <summary>The file of a Unix socket: taken over from a killed server, and taken away with our own.</summary>
internal sealed class UnixSocketFile
{
    private readonly string _path;
    private readonly FileStatus? _ours;

    /// <summary>Remembers the file that has just been bound, and closes it to other users.</summary>
    /// <remarks>Nobody can connect before the socket listens, so there is no moment at which it is open to others.</remarks>
    public UnixSocketFile(string path)
    {
        _path = path;
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        _ours = OperatingSystem.IsLinux() ? FileStatus.Of(path, follow: false) : null;
    }

    /// <summary>Removes a socket on which nobody listens; anything else that lies at <paramref name="path"/> is left alone.</summary>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.NbdAddressInUse"/>.</exception>
    public static async Task RemoveStaleAsync(string path, CancellationToken cancellationToken)
    {
        if (!Path.Exists(path))
        {
            return;
        }

        if (!IsSocket(path))
        {
            throw new DeviceBusyException(ErrorIds.NbdAddressInUse, $"'{path}' exists and is not a socket; the NBD server leaves it alone.");
        }

        if (await SomebodyListensAsync(path, cancellationToken))
        {
            throw new DeviceBusyException(ErrorIds.NbdAddressInUse, $"Another server listens on '{path}'.");
        }

        File.Delete(path);
    }

    /// <summary>Removes our socket, not one that another server has put in its place.</summary>
    public void Remove()
    {
        bool ours = !OperatingSystem.IsLinux() || (FileStatus.Of(_path, follow: false) is { } now && now.IsSameFile(_ours!));
        if (ours)
        {
            File.Delete(_path);
        }
    }

    // Windows makes sockets reparse points; on other systems a file that exists is left to its owner.
    private static bool IsSocket(string path) => OperatingSystem.IsLinux()
        ? FileStatus.Of(path, follow: false) is { Kind: FileStatus.FileKind.Socket }
        : OperatingSystem.IsWindows() && File.GetAttributes(path).HasFlag(FileAttributes.ReparsePoint);

    private static async Task<bool> SomebodyListensAsync(string path, CancellationToken cancellationToken)
    {
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await probe.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            return true;
        }
        catch (SocketException fault)
        {
            // Anything but a refusal (no permission, a full backlog) means that somebody may be there.
            return fault.SocketErrorCode != SocketError.ConnectionRefused;
        }
    }
}
