using System.Diagnostics;
using VmCrypt.Core.Tests.Architecture;

namespace VmCrypt.Interop.Tests.Kill;

/// <summary>The command-line host in a process of its own, which can be killed.</summary>
internal static class Vmcrypt
{
    internal static string Program { get; } = Path.Combine(
        Repository.Root, "src", "VmCrypt.Cli", "bin",
#if DEBUG
        "Debug",
#else
        "Release",
#endif
        "net10.0", "vmcrypt.dll");

    public static Process Start(params string[] arguments) => Start([], arguments);

    /// <param name="environment">Variables to set.</param>
    public static Process Start(Dictionary<string, string> environment, string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", ["exec", Program, .. arguments])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }

    /// <summary>Runs a command that must succeed.</summary>
    public static void Run(params string[] arguments)
    {
        (int exitCode, string error) = TryRun(arguments);
        Assert.True(exitCode == 0, $"vmcrypt {string.Join(' ', arguments)} exited with {exitCode}: {error}");
    }

    public static (int ExitCode, string Error) TryRun(params string[] arguments)
    {
        using Process process = Start(arguments);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        _ = output.Result;
        return (process.ExitCode, error);
    }

    /// <summary>Starts a command and kills it, as kill -9 does, unless it ends before <paramref name="delay"/> is over.</summary>
    /// <returns>Whether it was killed.</returns>
    public static bool Kill(TimeSpan delay, params string[] arguments)
    {
        using Process process = Start(arguments);
        bool ended = process.WaitForExit(delay);
        if (!ended)
        {
            process.Kill();
            process.WaitForExit();
        }

        return !ended;
    }
}
