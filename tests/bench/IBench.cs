namespace VmCrypt.Bench;

/// <summary>One area of measurements; a class of its own each.</summary>
internal interface IBench
{
    string Name { get; }

    /// <summary>Measures, and yields each line of the table as soon as it stands.</summary>
    IEnumerable<Figure> Run();
}

/// <summary>One line of the table: how fast we and the peer did the same job in the same run.</summary>
/// <param name="Peer">The peer's figure; null where it is missing on this machine or none exists.</param>
/// <param name="Goal">The ratio to reach; null where none was set.</param>
internal sealed record Figure(string Job, string Unit, double Ours, string PeerName, double? Peer, double? Goal)
{
    public static string Heading => Line("job", "unit", "ours", "peer", "ratio", "goal", "against");

    // More is better in every unit used.
    public override string ToString() => Line(
        Job, Unit, Ours.ToString("N0"), Peer?.ToString("N0") ?? "-", (Ours / Peer)?.ToString("0.00") ?? "-",
        Goal is { } goal ? $">= {goal:0.00}" : "-", PeerName);

    private static string Line(string job, string unit, string ours, string peer, string ratio, string goal, string against) =>
        $"{job,-44} {unit,-8} {ours,12} {peer,12} {ratio,6} {goal,8}  {against}";
}
