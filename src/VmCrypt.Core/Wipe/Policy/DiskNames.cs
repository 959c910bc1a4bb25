using System.IO.Enumeration;
using System.Runtime.InteropServices;
using System.Text;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Wipe.Targets;

namespace VmCrypt.Core.Wipe.Policy;

/// <summary>The names that a disk can be called by, so that a link is no way around a policy.</summary>
internal static partial class DiskNames
{
    private const int MaxPath = 4096;

    /// <summary>The full path, and the path that it leads to with every link on the way resolved.</summary>
    public static IEnumerable<string> Of(string path)
    {
        string full = TargetOpener.FullPath(path);
        yield return full;
        if (OperatingSystem.IsLinux() && Resolve(full) is { } real && real != full)
        {
            yield return real;
        }
    }

    public static bool Matches(string pattern, string name) =>
        FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: OperatingSystem.IsWindows());

    /// <summary>A file that the pattern finds is a hard link to the same file.</summary>
    public static bool IsAnotherNameOf(string pattern, string path)
    {
        if (!OperatingSystem.IsLinux() || FileStatus.Of(path) is not { Kind: FileStatus.FileKind.Regular, Links: > 1 } status
            || Path.GetDirectoryName(pattern) is not { Length: > 0 } folder || !Directory.Exists(folder))
        {
            return false;
        }

        foreach (string other in Directory.EnumerateFiles(folder))
        {
            if (Matches(pattern, other) && FileStatus.Of(other) is { } found && found.IsSameFile(status))
            {
                return true;
            }
        }

        return false;
    }

    // Null where nothing is there.
    private static string? Resolve(string path)
    {
        byte[] resolved = new byte[MaxPath];
        return RealPath(path, resolved) == 0 ? null : Encoding.UTF8.GetString(resolved.AsSpan(0, resolved.AsSpan().IndexOf((byte)0)));
    }

    [LibraryImport("libc", EntryPoint = "realpath", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint RealPath(string path, [Out] byte[] resolved);
}
