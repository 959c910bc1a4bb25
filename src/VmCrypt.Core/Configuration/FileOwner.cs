using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using VmCrypt.Core.Block.Local;

namespace VmCrypt.Core.Configuration;

/// <summary>Who owns a file and who else may change it; known on Linux.</summary>
internal readonly partial record struct FileOwner(uint UserId, UnixFileMode Mode)
{
    public bool IsRootOrMe => UserId == 0 || (OperatingSystem.IsLinux() && UserId == EffectiveUserId());

    /// <summary>Null where nothing is there or the system does not say.</summary>
    public static FileOwner? Of(string path) =>
        OperatingSystem.IsLinux() && FileStatus.Of(path) is { } status ? new FileOwner(status.UserId, status.Mode) : null;

    [SupportedOSPlatform("linux")]
    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint EffectiveUserId();
}
