namespace VmCrypt.Build;

/// <summary>Measures, side by side with the peers, what tests/bench defines.</summary>
internal static class Bench
{
    public static int Run()
    {
        Peers.InstallAll();
        return Tool.Run(Timeout.InfiniteTimeSpan, "dotnet", "run", "--configuration", "Release", "--project", Layout.In("tests", "bench"));
    }
}
