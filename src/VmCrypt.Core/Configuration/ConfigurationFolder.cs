using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Configuration;

/// <summary>The one folder of host-wide state: USB lists, wipe policy, keys, audit log.</summary>
public sealed class ConfigurationFolder
{
    /// <summary>The environment variable that overrides every rule below.</summary>
    public const string Variable = "VMCRYPT_CONFIG";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode OthersWrite = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    public ConfigurationFolder(string path) => Path = System.IO.Path.GetFullPath(path);

    /// <summary><c>$VMCRYPT_CONFIG</c>, else <c>%ProgramData%\VmCrypt</c> on Windows, else <c>/etc/vmcrypt</c> for root, else the user's XDG folder.</summary>
    public static ConfigurationFolder Default =>
        new(Resolve(Environment.GetEnvironmentVariable, OperatingSystem.IsWindows(), Environment.IsPrivilegedProcess));

    public string Path { get; }

    /// <summary>The path of a file or folder in here.</summary>
    public string this[string name] => System.IO.Path.Combine(Path, name);

    /// <summary>Makes the folder, readable by its owner only, unless it exists.</summary>
    public void Create()
    {
        try
        {
            if (OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(Path);
            }
            else
            {
                Directory.CreateDirectory(Path, OwnerOnly);
            }
        }
        catch (Exception fault) when (fault is UnauthorizedAccessException or IOException)
        {
            throw new DeviceFaultException(ErrorIds.AccessDenied, $"The configuration folder '{Path}' cannot be made: {fault.Message}", fault);
        }
    }

    /// <summary>Refuses a folder, or an existing file in it, that somebody other than root or this user can change.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.ConfigurationUnsafe"/>.</exception>
    /// <remarks>Windows inherits the ACL of <c>%ProgramData%</c>, which its administrator answers for.</remarks>
    public void RequireTrusted(string name)
    {
        RequireOwned(Path);
        RequireOwned(this[name]);
    }

    internal static string Resolve(Func<string, string?> variable, bool windows, bool privileged)
    {
        if (variable(Variable) is { Length: > 0 } named)
        {
            return named;
        }

        if (windows)
        {
            return System.IO.Path.Combine(variable("ProgramData") ?? @"C:\ProgramData", "VmCrypt");
        }

        if (privileged)
        {
            return "/etc/vmcrypt";
        }

        // The XDG rule: a relative path in the variable is invalid and ignored.
        string? xdg = variable("XDG_CONFIG_HOME");
        string home = xdg is ['/', ..] ? xdg : System.IO.Path.Combine(variable("HOME") ?? "/", ".config");
        return System.IO.Path.Combine(home, "vmcrypt");
    }

    private static void RequireOwned(string path)
    {
        if (OperatingSystem.IsWindows() || FileOwner.Of(path) is not { } owner)
        {
            return;
        }

        if (!owner.IsRootOrMe)
        {
            throw new RefusedException(ErrorIds.ConfigurationUnsafe,
                $"'{path}' belongs to user id {owner.UserId}; it must belong to root or to the user who runs this command.");
        }

        if ((owner.Mode & OthersWrite) != UnixFileMode.None)
        {
            throw new RefusedException(ErrorIds.ConfigurationUnsafe,
                $"'{path}' can be changed by others (mode {Convert.ToString((int)owner.Mode, 8)}); take group and world write permission away.");
        }
    }
}
