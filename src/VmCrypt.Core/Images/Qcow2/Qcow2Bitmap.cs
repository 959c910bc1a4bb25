namespace VmCrypt.Core.Images.Qcow2;

/// <summary>A persistent bitmap: which parts of the disk were written since some point in time.</summary>
/// <param name="Granularity">Bytes of disk per bit.</param>
/// <param name="IsEnabled">Whoever writes to the disk has to keep it up to date.</param>
/// <param name="IsInconsistent">Somebody wrote to the disk without doing so (or did not finish).</param>
public sealed record Qcow2Bitmap(string Name, long Granularity, bool IsEnabled, bool IsInconsistent)
{
    internal long TableOffset { get; init; }

    internal int TableEntries { get; init; }

    internal uint Flags { get; init; }

    /// <summary>Where the flags lie in the file.</summary>
    internal long FlagsOffset { get; init; }
}
