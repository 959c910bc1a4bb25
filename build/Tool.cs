using System.Diagnostics;

namespace VmCrypt.Build;

/// <summary>Runs other programs. Their output goes through to ours unless it is captured.</summary>
internal static class Tool
{
    /// <summary>What <see cref="Run"/> returns for a program that did not end in time and was killed with its children.</summary>
    public const int TimedOut = -1;

    /// <summary>Runs a program and returns its exit code.</summary>
    public static int Run(TimeSpan limit, string program, params string[] arguments)
    {
        using Process process = Start(program, arguments, capture: false);
        return Wait(process, limit);
    }

    /// <summary>Runs a program that must succeed.</summary>
    public static void MustRun(string program, params string[] arguments)
    {
        int exitCode = Run(Timeout.InfiniteTimeSpan, program, arguments);
        if (exitCode != 0)
        {
            throw new BuildException($"{program} {string.Join(' ', arguments)} ended with {exitCode}.");
        }
    }

    /// <summary>Runs a program quietly; its output is the two streams one after the other.</summary>
    public static (int ExitCode, string Output) Capture(TimeSpan limit, string program, params string[] arguments)
    {
        using Process process = Start(program, arguments, capture: true);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        int exitCode = Wait(process, limit);
        return (exitCode, output.Result + error.Result);
    }

    /// <summary>Starts a program whose streams the caller reads, and which it ends.</summary>
    public static Process StartCaptured(string program, params string[] arguments) => Start(program, arguments, capture: true);

    /// <summary>Full path of a program on the PATH or in the system's administration folders.</summary>
    public static string? Find(string program)
    {
        IEnumerable<string> folders = (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(Path.PathSeparator);
        if (!OperatingSystem.IsWindows())
        {
            folders = folders.Append("/usr/sbin").Append("/sbin");
        }

        string suffix = OperatingSystem.IsWindows() ? ".exe" : string.Empty;
        return folders.Select(folder => Path.Combine(folder, program + suffix)).FirstOrDefault(File.Exists);
    }

    private static Process Start(string program, string[] arguments, bool capture)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            UseShellExecute = false,
            WorkingDirectory = Layout.Root,
            RedirectStandardOutput = capture,
            RedirectStandardError = capture,
        };
        // The executable of output/bin must find the runtime that builds it, wherever that is installed.
        start.Environment["DOTNET_ROOT"] = Path.GetDirectoryName(Environment.ProcessPath is { } host && IsDotnet(host) ? host : Find("dotnet"));
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        start.Environment["DOTNET_NOLOGO"] = "1";
        return Process.Start(start) ?? throw new BuildException($"{program} cannot be started.");
    }

    private static bool IsDotnet(string path) => Path.GetFileNameWithoutExtension(path).Equals("dotnet", StringComparison.OrdinalIgnoreCase);

    private static int Wait(Process process, TimeSpan limit)
    {
        if (process.WaitForExit(limit))
        {
            return process.ExitCode;
        }

        process.Kill(entireProcessTree: true);
        process.WaitForExit();
        return TimedOut;
    }
}
