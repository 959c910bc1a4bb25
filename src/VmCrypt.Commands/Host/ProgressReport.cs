namespace VmCrypt.Commands.Host;

/// <summary>A long job's state, ready to be shown.</summary>
/// <param name="Percent">0 to 100, or -1 where the whole is not known.</param>
/// <param name="SecondsLeft">-1 where nobody can tell yet.</param>
internal sealed record ProgressReport(string Activity, string Status, int Percent, int SecondsLeft)
{
    /// <summary>Takes whatever is shown off the screen.</summary>
    public static ProgressReport Completed { get; } = new(string.Empty, string.Empty, 100, 0);
}
