using System.Text.Json;
using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>What a call that was killed has left in a running QEMU: a job that nobody dismisses, and secrets.</summary>
internal static class MonitorLeftovers
{
    /// <summary>A caller that lives dismisses a job within a few of these.</summary>
    private const int PatienceRounds = 20;

    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(50);

    /// <summary>Waits for such a job to end, and takes job and secrets away.</summary>
    /// <remarks>Another call that is at work on this VM at the same moment is refused for want of its secret, and changes nothing then.</remarks>
    public static async ValueTask ClearAsync(IQemuMonitor monitor, CancellationToken cancellationToken)
    {
        try
        {
            await ClearJobsAsync(monitor, cancellationToken);
            JsonElement objects = await monitor.ExecuteAsync("qom-list", new JsonObject { ["path"] = "/objects" }, cancellationToken);
            foreach (string id in objects.EnumerateArray().Select(child => child.GetProperty("name").GetString()!).Where(MonitorSecret.IsOurs))
            {
                await MonitorSecret.RemoveAsync(monitor, id);
            }
        }
        catch (Exception fault) when (fault is KeyNotFoundException or InvalidOperationException)
        {
            throw new ProtocolException(ErrorIds.QmpInvalid, $"QEMU's list of jobs or objects is none: {fault.Message}", fault);
        }
    }

    private static async ValueTask ClearJobsAsync(IQemuMonitor monitor, CancellationToken cancellationToken)
    {
        for (int rounds = 0; await OursAsync(monitor, cancellationToken) is { Length: > 0 } jobs;)
        {
            rounds = jobs.All(job => job.Concluded) ? rounds + 1 : 0;
            foreach ((string id, _) in rounds < PatienceRounds ? [] : jobs)
            {
                await monitor.ExecuteAsync("job-dismiss", new JsonObject { ["id"] = id }, CancellationToken.None);
            }

            await Task.Delay(s_interval, cancellationToken);
        }
    }

    private static async ValueTask<(string Id, bool Concluded)[]> OursAsync(IQemuMonitor monitor, CancellationToken cancellationToken)
    {
        JsonElement jobs = await monitor.ExecuteAsync("query-jobs", null, cancellationToken);
        return [.. jobs.EnumerateArray()
            .Select(job => (Id: job.GetProperty("id").GetString()!, Concluded: job.GetProperty("status").GetString() == QemuJob.Concluded))
            .Where(job => QemuJob.IsOurs(job.Id))];
    }
}
