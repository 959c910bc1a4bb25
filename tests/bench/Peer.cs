using System.Diagnostics;

namespace VmCrypt.Bench;

/// <summary>Runs the tools that we measure against; one that is not installed measures nothing.</summary>
internal static class Peer
{
    /// <summary>The tool's output, and how long it took; null where the tool is missing or fails.</summary>
    public static (string Output, TimeSpan Elapsed)? Run(string tool, params string[] arguments)
    {
        try
        {
            long start = Stopwatch.GetTimestamp();
            using Process process = Process.Start(new ProcessStartInfo(tool, arguments)
            {
                UseShellExecute = false,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            Task<string> error = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            _ = error.Result;
            return process.ExitCode == 0 ? (output, Stopwatch.GetElapsedTime(start)) : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
