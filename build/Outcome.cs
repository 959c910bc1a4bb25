namespace VmCrypt.Build;

/// <summary>What a test run came to, with a line for each test that failed or was skipped.</summary>
internal sealed record Outcome(int Passed, int Failed, int Skipped, string[] Remarks)
{
    /// <summary>A suite that left no report counts as one failure.</summary>
    public static Outcome Broken(string why) => new(0, 1, 0, ["FAILED " + why]);

    public static Outcome operator +(Outcome a, Outcome b) =>
        new(a.Passed + b.Passed, a.Failed + b.Failed, a.Skipped + b.Skipped, [.. a.Remarks, .. b.Remarks]);

    /// <summary>The remarks stand at the very end, where a log that was cut still has them; the sum is the last line.</summary>
    public override string ToString() =>
        string.Join(Environment.NewLine, [.. Remarks, $"{Passed} passed, {Failed} failed, {Skipped} skipped"]);
}
