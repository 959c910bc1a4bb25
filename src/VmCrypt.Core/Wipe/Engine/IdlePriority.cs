using System.Runtime.InteropServices;

namespace VmCrypt.Core.Wipe.Engine;

/// <summary>Lets the calling thread's I/O wait for everybody else's (ioprio_set(2), idle class).</summary>
/// <remarks>Only schedulers that know priorities (bfq, mq-deadline) heed it; the throttle works everywhere.</remarks>
internal static partial class IdlePriority
{
    private const int WhoThread = 1;
    private const int IdleClass = 3 << 13;

    public static void ApplyToThread()
    {
        if (OperatingSystem.IsLinux() && CallNumber is { } number)
        {
            // Refused or unknown, the wipe goes on at normal priority.
            _ = SystemCall(number, WhoThread, 0, IdleClass);
        }
    }

    private static nint? CallNumber => RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => 251,
        Architecture.Arm64 => 30,
        _ => null,
    };

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint SystemCall(nint number, nint which, nint who, nint priority);
}
