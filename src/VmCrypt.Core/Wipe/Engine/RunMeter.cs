using VmCrypt.Core.Block;

namespace VmCrypt.Core.Wipe.Engine;

/// <summary>Counts what the workers of one pass have done and passes it on now and then.</summary>
/// <param name="activity">The whole wipe, in words.</param>
/// <param name="part">The pass, in words.</param>
/// <param name="passBefore">Bytes of the pass that an earlier run has done.</param>
/// <param name="passTotal">Bytes of the pass.</param>
/// <param name="workBefore">Bytes of all passes that were done before this one.</param>
/// <param name="workTotal">Bytes of all passes.</param>
/// <param name="resumedAt">Bytes of all passes that an earlier run has done.</param>
internal sealed class RunMeter(
    IProgress<JobProgress>? progress, string activity, string part, long passBefore, long passTotal, long workBefore, long workTotal, long resumedAt)
{
    private const long ReportMilliseconds = 100;

    private long _done;
    private long _reported;

    /// <summary>Bytes done in this run, without those before it.</summary>
    public long Done => Interlocked.Read(ref _done);

    public void Add(int count)
    {
        long done = passBefore + Interlocked.Add(ref _done, count);
        long now = Environment.TickCount64;
        long last = Interlocked.Read(ref _reported);
        bool due = now - last >= ReportMilliseconds || done == passTotal;
        if (progress is not null && due && Interlocked.CompareExchange(ref _reported, now, last) == last)
        {
            progress.Report(new JobProgress(activity, workBefore + done, workTotal)
            {
                BeforeBytes = resumedAt,
                Detail = $"{part}, {100 * done / Math.Max(1, passTotal)} %",
            });
        }
    }
}
