using System.Text.Json;

namespace VmCrypt.Build;

/// <summary>Runs the Pester suite in a real PowerShell, which is fetched the usual way where the registries give it.</summary>
internal static class Pester
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(30);
    private static readonly TimeSpan s_fetchLimit = TimeSpan.FromMinutes(3);

    // What the module's manifest and the suite ask for; the script prints what is missing and succeeds if nothing is.
    private const string Check =
        "if ($PSVersionTable.PSVersion -lt [version]'7.6') { \"PowerShell $($PSVersionTable.PSVersion) is older than 7.6\"; exit 1 }; " +
        "if (-not (Get-Module Pester -ListAvailable | Where-Object Version -ge 5.5)) { 'Pester 5.5 is not installed'; exit 2 }";

    private const int PesterMissing = 2;

    /// <summary>Its output is printed when it is done: other suites may run beside it.</summary>
    /// <param name="results">The folder of reports.</param>
    /// <param name="suite">The folder of tests.</param>
    public static Outcome Run(string results, string suite)
    {
        if (FindPowerShell() is not { } powerShell)
        {
            return new Outcome(0, 0, 1, ["SKIPPED no PowerShell 7.6 with Pester; the Pester suite did not run"]);
        }

        string report = Path.Combine(results, $"{suite}.json");
        File.Delete(report);
        (int exitCode, string output) = Tool.Capture(s_limit, powerShell[0],
            [.. powerShell[1..], "-NoProfile", "-NonInteractive", "-File", Layout.In("tests", "pester", "Run.ps1"), "-Path", Layout.In("tests", suite), "-Report", report]);
        Console.WriteLine($"== Pester, {suite}{Environment.NewLine}{output}");
        if (!File.Exists(report))
        {
            return Outcome.Broken($"Pester ended with {exitCode} and no report");
        }

        return JsonSerializer.Deserialize<Outcome>(File.ReadAllText(report))!;
    }

    /// <summary>The command line that starts a PowerShell which can run the suite.</summary>
    private static string[]? FindPowerShell()
    {
        string[]? powerShell = Tool.Find("pwsh") is { } installed && IsUsable(installed) ? [installed] : RestoredTool();
        return powerShell is null || HasPester(powerShell) || FetchPester(powerShell) ? powerShell : null;
    }

    private static string[]? RestoredTool()
    {
        (int exitCode, string output) = Tool.Capture(s_fetchLimit, "dotnet", "tool", "restore");
        if (exitCode == 0)
        {
            return ["dotnet", "tool", "run", "pwsh", "--"];
        }

        Console.WriteLine($"PowerShell cannot be restored as a dotnet tool: {output.Trim()}");
        return null;
    }

    private static bool IsUsable(string installed)
    {
        (int exitCode, string output) = Probe([installed]);
        if (exitCode is 0 or PesterMissing)
        {
            return true;
        }

        Console.WriteLine(output.Trim());
        return false;
    }

    private static bool HasPester(string[] powerShell) => Probe(powerShell).ExitCode == 0;

    private static bool FetchPester(string[] powerShell)
    {
        Console.WriteLine("Pester: Install-PSResource Pester");
        (_, string output) = Tool.Capture(s_fetchLimit, powerShell[0],
            [.. powerShell[1..], "-NoProfile", "-NonInteractive", "-Command", "Install-PSResource Pester -TrustRepository -ErrorAction Stop"]);
        bool fetched = HasPester(powerShell);
        if (!fetched)
        {
            Console.WriteLine($"Pester cannot be installed: {output.Trim()}");
        }

        return fetched;
    }

    private static (int ExitCode, string Output) Probe(string[] powerShell) =>
        Tool.Capture(s_fetchLimit, powerShell[0], [.. powerShell[1..], "-NoProfile", "-NonInteractive", "-Command", Check]);
}
