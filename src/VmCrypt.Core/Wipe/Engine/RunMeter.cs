using VmCrypt.Core.Block;

namespace VmCrypt.Core.Wipe.Engine;

/// <summary>Counts what the workers of one pass have done and passes it on now and then.</summary>
internal sealed class RunMeter(IProgress<JobProgress>? progress, string activity, long before, long total)
{
    private const long ReportMilliseconds = 100;

    private long _done;
    private long _reported;

    /// <summary>Bytes done in this run, without those before it.</summary>
    public long Done => Interlocked.Read(ref _done);

    public void Add(int count)
    {
        long done = Interlocked.Add(ref _done, count);
        long now = Environment.TickCount64;
        long last = Interlocked.Read(ref _reported);
        bool due = now - last >= ReportMilliseconds || before + done == total;
        if (progress is not null && due && Interlocked.CompareExchange(ref _reported, now, last) == last)
        {
            progress.Report(new JobProgress(activity, before + done, total));
        }
    }
}
