using System.Xml.Linq;

namespace VmCrypt.Build;

/// <summary>Runs every test there is; the last line is the sum.</summary>
internal static class TestRun
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(30);

    public static int Run()
    {
        Peers.InstallAll();
        ProductBuild.Run();
        Tool.MustRun("dotnet", "build", Layout.In("VmCrypt.slnx"), "--configuration", "Release", "--verbosity", "quiet", "-nologo");

        string results = Directory.CreateDirectory(Path.Combine(Layout.Output, "test-results")).FullName;
        var outcome = new Outcome(0, 0, 0, []);
        foreach (string project in Directory.GetDirectories(Layout.In("tests"), "*.Tests").Order(StringComparer.Ordinal))
        {
            outcome += RunProject(Path.GetFileName(project), results);
        }

        outcome += Pester.Run(results, "pester");
        Console.WriteLine(outcome);
        return outcome is { Failed: 0, Passed: > 0 } ? 0 : 1;
    }

    private static Outcome RunProject(string name, string results)
    {
        Console.WriteLine($"== {name}");
        string report = Path.Combine(results, name + ".xml");
        File.Delete(report);
        string program = Layout.In("tests", name, "bin", "Release", "net10.0", name + ".dll");
        int exitCode = Tool.Run(s_limit, "dotnet", "exec", program, "-noLogo", "-xml", report);
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
