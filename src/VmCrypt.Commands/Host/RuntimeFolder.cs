using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.Host;

/// <summary>The folder for sockets: of this user alone, and gone after a reboot.</summary>
internal static class RuntimeFolder
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Makes the folder if it is not there, and returns its path.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.AccessDenied"/>: somebody else can write to it.</exception>
    public static string Require()
    {
        string path = Choose();
        if (OperatingSystem.IsWindows())
        {
            return Directory.CreateDirectory(path).FullName;
        }

        // In a shared folder such as /tmp somebody may have been there first, with a link or a folder of their own.
        Directory.CreateDirectory(path, OwnerOnly);
        var folder = new DirectoryInfo(path);
        return folder.LinkTarget is null && folder.UnixFileMode == OwnerOnly
            ? path
            : throw new RefusedException(ErrorIds.AccessDenied, $"The folder {path} is not this user's alone; remove it, or name a socket with -Socket.");
    }

    private static string Choose()
    {
        if (OperatingSystem.IsWindows())
        {
            return Path.Combine(Path.GetTempPath(), "VmCrypt");
        }

        if (Environment.IsPrivilegedProcess)
        {
            return "/run/vmcrypt";
        }

        return Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } session
            ? Path.Combine(session, "vmcrypt")
            : Path.Combine(Path.GetTempPath(), $"vmcrypt-{Environment.UserName}");
    }
}
