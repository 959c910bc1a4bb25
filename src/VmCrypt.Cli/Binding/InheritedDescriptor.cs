using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace VmCrypt.Cli.Binding;

/// <summary>Tells the descriptors that the caller handed over from those that the runtime opened for itself.</summary>
[UnsupportedOSPlatform("windows")]
internal static partial class InheritedDescriptor
{
    private const int GetFlags = 1;
    private const int CloseOnExec = 1;

    /// <summary>Whether it was open when this program was started: what survives an exec lacks the flag that everything the runtime opens has.</summary>
    public static bool Exists(int descriptor) => Fcntl(descriptor, GetFlags) is >= 0 and int flags && (flags & CloseOnExec) == 0;

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Fcntl(int descriptor, int command);
}
