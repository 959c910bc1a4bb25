using VmCrypt.Core.Block;

namespace VmCrypt.Interop.Tests.Wipe;

/// <summary>Progress that is heard on the spot, where <see cref="Progress{T}"/> would post it.</summary>
internal sealed class Immediate(Action<JobProgress> heard) : IProgress<JobProgress>
{
    private readonly Lock _gate = new();

    public void Report(JobProgress value)
    {
        lock (_gate)
        {
            heard(value);
        }
    }
}
