namespace VmCrypt.Core.Images.Qcow2;

/// <summary>Neighbouring clusters of the file, by number.</summary>
internal readonly record struct HostRun(long First, int Count)
{
    /// <summary>Whether <paramref name="next"/> begins where this ends, and both fit into one.</summary>
    public bool Joins(HostRun next) => First + Count == next.First && Count <= int.MaxValue - next.Count;
}
