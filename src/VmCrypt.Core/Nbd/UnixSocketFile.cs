using System.Net.Sockets;
using System.Runtime.InteropServices;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Nbd;

/// <summary>The file of a Unix socket that a killed server left behind.</summary>
internal static partial class UnixSocketFile
{
    private const int AtFileDescriptorCwd = -100;
    private const int NoFollow = 0x100;
    private const uint WantType = 1;
    private const int StatxSize = 256;
    private const int StatxModeOffset = 28;
    private const int TypeMask = 0xF000;
    private const int SocketType = 0xC000;

    /// <summary>Removes <paramref name="path"/> when it is a socket on which nobody listens; anything else that lies there is left alone.</summary>
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

    private static async Task<bool> SomebodyListensAsync(string path, CancellationToken cancellationToken)
    {
        using var probe = new Socket(AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, ProtocolType.Unspecified);
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

    private static bool IsSocket(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            // Windows makes sockets reparse points; elsewhere an existing file is left to its owner.
            return OperatingSystem.IsWindows() && File.GetAttributes(path).HasFlag(FileAttributes.ReparsePoint);
        }

        Span<byte> status = stackalloc byte[StatxSize];
        return Statx(AtFileDescriptorCwd, path, NoFollow, WantType, status) == 0
            && (MemoryMarshal.Read<ushort>(status[StatxModeOffset..]) & TypeMask) == SocketType;
    }

    // statx and not stat: its layout is the same on every architecture.
    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, Span<byte> status);
}
