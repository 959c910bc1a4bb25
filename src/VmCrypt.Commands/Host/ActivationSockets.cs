using System.Globalization;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.Host;

/// <summary>The listening sockets that systemd opened for this process (sd_listen_fds): a service is started when its first client comes, or does not need the right to its port.</summary>
internal static class ActivationSockets
{
    private const string Owner = "LISTEN_PID";
    private const string Count = "LISTEN_FDS";
    private const string Names = "LISTEN_FDNAMES";
    private const int First = 3;

    // systemd passes as many as a unit lists; a number beyond is nobody's unit.
    private const int Most = 64;

    /// <summary>Empty where systemd gave none, and when they were taken already.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.SocketActivationInvalid"/>.</exception>
    public static IReadOnlyList<Socket> Take()
    {
        string? count = Environment.GetEnvironmentVariable(Count);
        if (!OperatingSystem.IsLinux() || count is null || Environment.GetEnvironmentVariable(Owner) != Environment.ProcessId.ToString(CultureInfo.InvariantCulture))
        {
            return [];
        }

        // What this process starts must not take them for its own.
        foreach (string name in (string[])[Owner, Count, Names])
        {
            Environment.SetEnvironmentVariable(name, value: null);
        }

        return int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number is > 0 and <= Most
            ? [.. Enumerable.Range(First, number).Select(Adopt)]
            : throw new InvalidInputException(ErrorIds.SocketActivationInvalid, $"{Count} is '{count}', and is 1 to {Most}.");
    }

    private static Socket Adopt(int descriptor)
    {
        using (var file = new SafeFileHandle(descriptor, ownsHandle: false))
        {
            _ = Libc.Control(file, Libc.StatusCommand.SetDescriptor, Libc.CloseOnExecFlag);
        }

        try
        {
            var socket = new Socket(new SafeSocketHandle(descriptor, ownsHandle: true));
            bool listens = socket.SocketType == SocketType.Stream
                && socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.AcceptConnection) is not 0;
            return listens ? socket : throw Invalid(descriptor, null);
        }
        catch (SocketException fault)
        {
            throw Invalid(descriptor, fault);
        }
    }

    private static InvalidInputException Invalid(int descriptor, SocketException? fault) =>
        new(ErrorIds.SocketActivationInvalid, $"Descriptor {descriptor} is no stream socket that listens.", fault);
}
