using System.Text.RegularExpressions;

namespace VmCrypt.Build;

/// <summary>Where things are.</summary>
internal static partial class Layout
{
    public static string Root { get; } = FindRoot();

    public static string Output => Path.Combine(Root, "output");

    /// <summary>The importable module.</summary>
    public static string Module => Path.Combine(Output, "VmCrypt");

    /// <summary>The command-line host with its libraries.</summary>
    public static string Bin => Path.Combine(Output, "bin");

    public static string Vmcrypt => Path.Combine(Bin, OperatingSystem.IsWindows() ? "vmcrypt.exe" : "vmcrypt");

    /// <summary>The version, which the manifest alone defines.</summary>
    public static string Version => ModuleVersion().Match(File.ReadAllText(In("VmCrypt.psd1"))).Groups["version"].Value;

    /// <summary>The full path of something in the repository.</summary>
    public static string In(params string[] parts) => Path.Combine([Root, .. parts]);

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "VmCrypt.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new BuildException("The build does not run inside of the repository.");
    }

    [GeneratedRegex(@"ModuleVersion\s*=\s*'(?<version>[^']+)'", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ModuleVersion();
}
