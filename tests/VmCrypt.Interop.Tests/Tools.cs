using System.Diagnostics;

namespace VmCrypt.Interop.Tests;

/// <summary>Runs the real tools; a missing one skips the test aloud.</summary>
internal static class Tools
{
    /// <summary>Runs a tool that must succeed and returns its standard output.</summary>
    public static string Run(string tool, params string[] arguments)
    {
        (int exitCode, string output, string error) = TryRun(tool, arguments);
        Assert.True(exitCode == 0, $"{tool} {string.Join(' ', arguments)} exited with {exitCode}: {error}");
        return output;
    }

    /// <summary>Runs a tool whatever its exit code.</summary>
    public static (int ExitCode, string Output, string Error) TryRun(string tool, params string[] arguments)
    {
        Require(tool);
        var start = new ProcessStartInfo(tool, arguments)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    /// <summary>Runs a qemu-img that derives keys: 7.2 now and then finds that its clock has not moved, and gives up.</summary>
    public static void RunQemuImg(params string[] arguments)
    {
        (int ExitCode, string Output, string Error) result;
        int tries = 0;
        do
        {
            result = TryRun("qemu-img", arguments);
        }
        while (result.ExitCode != 0 && result.Error.Contains("accurate CPU usage", StringComparison.Ordinal) && ++tries < 30);

        Assert.True(result.ExitCode == 0, $"qemu-img {string.Join(' ', arguments)} exited with {result.ExitCode}: {result.Error}");
    }

    /// <summary>Skips the test when <paramref name="tool"/> is not on the PATH.</summary>
    public static void Require(string tool) => Assert.SkipWhen(Find(tool) is null, $"{tool} is not installed");

    /// <summary>The full path of a program, or null.</summary>
    public static string? Find(string tool) => (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(':')
        .Append("/usr/sbin").Append("/sbin")
        .Select(folder => Path.Combine(folder, tool))
        .FirstOrDefault(File.Exists);
}
