using System.Xml.Linq;

namespace VmCrypt.Build;

/// <summary>Runs every test there is; the last line is the sum.</summary>
internal static class TestRun
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(30);

    public static int Run()
    {
        Peers.Install();
        ProductBuild.Run();
        Tool.MustRun("dotnet", "build", Layout.In("VmCrypt.slnx"), "--configuration", "Release", "--verbosity", "quiet", "-nologo");

        string results = Directory.CreateDirectory(Path.Combine(Layout.Output, "test-results")).FullName;
        Counts sum = new(0, 0, 0);
        foreach (string project in Directory.GetDirectories(Layout.In("tests"), "*.Tests").Order(StringComparer.Ordinal))
        {
            sum += RunProject(Path.GetFileName(project), results);
        }

        sum += Pester.Run(results);
        Console.WriteLine(sum);
        return sum is { Failed: 0, Passed: > 0 } ? 0 : 1;
    }

    private static Counts RunProject(string name, string results)
    {
        Console.WriteLine($"== {name}");
        string report = Path.Combine(results, name + ".xml");
        File.Delete(report);
        string program = Layout.In("tests", name, "bin", "Release", "net10.0", name + ".dll");
        int exitCode = Tool.Run(s_limit, "dotnet", "exec", program, "-noLogo", "-xml", report);
        if (exitCode == Tool.TimedOut || !File.Exists(report))
        {
            Console.WriteLine(exitCode == Tool.TimedOut
                ? $"{name} did not end within {s_limit.TotalMinutes} minutes"
                : $"{name} ended with {exitCode} and no report");
            return new Counts(0, 1, 0);
        }

        XElement assembly = XDocument.Load(report).Root!.Element("assembly")!;
        int Count(string attribute) => (int)assembly.Attribute(attribute)!;
        return new Counts(Count("passed"), Count("failed") + Count("errors"), Count("skipped") + Count("not-run"));
    }
}

/// <summary>What a test run came to.</summary>
internal sealed record Counts(int Passed, int Failed, int Skipped)
{
    public static Counts operator +(Counts a, Counts b) => new(a.Passed + b.Passed, a.Failed + b.Failed, a.Skipped + b.Skipped);

    public override string ToString() => $"{Passed} passed, {Failed} failed, {Skipped} skipped";
}
