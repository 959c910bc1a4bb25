using System.Globalization;
using System.Xml.Linq;

namespace VmCrypt.Build;

/// <summary>Runs every test there is; the last line is the sum.</summary>
internal static class TestRun
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(30);

    // Most of them wait for a guest or a daemon, not for a core.
    private static readonly string s_interopThreads = (2 * Environment.ProcessorCount).ToString(CultureInfo.InvariantCulture);

    public static int Run()
    {
        Peers.InstallAll();
        ProductBuild.Run();
        Tool.MustRun("dotnet", "build", Layout.In("VmCrypt.slnx"), "--configuration", "Release", "--verbosity", "quiet", "-nologo");

        string results = Directory.CreateDirectory(Path.Combine(Layout.Output, "test-results")).FullName;
        Task<Outcome> pester = Task.Run(() => Pester.Run(results, "pester"));
        Outcome outcome = RunProject("VmCrypt.Commands.Tests", results) + RunProject("VmCrypt.Core.Tests", results);
        // Both use the one libvirt of the machine, and would meet there.
        outcome += pester.GetAwaiter().GetResult();
        outcome += RunProject("VmCrypt.Interop.Tests", results, "-maxThreads", s_interopThreads);
        Console.WriteLine(outcome);
        return outcome is { Failed: 0, Passed: > 0 } ? 0 : 1;
    }

    private static Outcome RunProject(string name, string results, params string[] arguments)
    {
        Console.WriteLine($"== {name}");
        string report = Path.Combine(results, name + ".xml");
        File.Delete(report);
        string program = Layout.In("tests", name, "bin", "Release", "net10.0", name + ".dll");
        int exitCode = Tool.Run(s_limit, "dotnet", ["exec", program, "-noLogo", "-xml", report, .. arguments]);
        if (exitCode == Tool.TimedOut || !File.Exists(report))
        {
            return Outcome.Broken(exitCode == Tool.TimedOut
                ? $"{name} did not end within {s_limit.TotalMinutes} minutes"
                : $"{name} ended with {exitCode} and no report");
        }

        XElement assembly = XDocument.Load(report).Root!.Element("assembly")!;
        int Count(string attribute) => (int)assembly.Attribute(attribute)!;
        return new Outcome(
            Count("passed"),
            Count("failed") + Count("errors"),
            Count("skipped") + Count("not-run"),
            [.. assembly.Descendants("test").Select(Remark).OfType<string>(), .. assembly.Descendants("error").Select(error => $"FAILED {name}: {FirstLine(error)}")]);
    }

    private static string? Remark(XElement test) => (string)test.Attribute("result")! switch
    {
        "Pass" => null,
        "Fail" => $"FAILED {test.Attribute("name")!.Value}: {FirstLine(test.Element("failure")?.Element("message"))}",
        _ => $"SKIPPED {test.Attribute("name")!.Value}: {FirstLine(test.Element("reason"))}",
    };

    private static string FirstLine(XElement? text) => (text?.Value ?? string.Empty).TrimStart().Split('\n')[0].TrimEnd();
}
