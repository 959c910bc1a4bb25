using System.Net.Sockets;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Nbd;

/// <summary>The file of a Unix socket, before it is ours and while it is; .NET takes it away with the socket.</summary>
internal static class UnixSocketFile
{
    /// <summary>Closes the file of a socket that does not listen yet to other users: there is no moment at which it is open to them.</summary>
    public static void KeepPrivate(string path)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
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
