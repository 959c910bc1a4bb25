using System.Text.Json;
using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>A job of QEMU, from its start to its dismissal.</summary>
internal static class QemuJob
{
    /// <summary>The status of a job that has ended, well or not.</summary>
    public const string Concluded = "concluded";

    private const string Prefix = "vmcrypt-job-";

    /// <summary>What QEMU 7.2 says when its clock has not moved while it measured a key derivation; nothing was changed then.</summary>
    private const string ClockStoodStill = "Unable to get accurate CPU usage";

    private const int MaxTries = 30;

    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(50);

    /// <summary>Gives a command that starts a job, and returns when the job has succeeded and is forgotten.</summary>
    /// <remarks>There is no way to stop such a job half way, so it is waited for whatever the caller wants.</remarks>
    /// <exception cref="RefusedException"><see cref="ErrorIds.MonitorRefused"/>, with the job's own words.</exception>
    public static async ValueTask RunAsync(IQemuMonitor monitor, string command, JsonObject arguments)
    {
        string? error = null;
        for (int tries = 0; tries < MaxTries; tries++)
        {
            error = await RunOnceAsync(monitor, command, arguments);
            if (error?.Contains(ClockStoodStill, StringComparison.Ordinal) != true)
            {
                break;
            }
        }

        if (error is not null)
        {
            throw new RefusedException(ErrorIds.MonitorRefused, $"QEMU: {error}");
        }
    }

    /// <summary>Whether a job was begun here, by this or by another call.</summary>
    public static bool IsOurs(string id) => id.StartsWith(Prefix, StringComparison.Ordinal);

    private static async ValueTask<string?> RunOnceAsync(IQemuMonitor monitor, string command, JsonObject arguments)
    {
        string id = $"{Prefix}{Guid.NewGuid():N}";
        var complete = (JsonObject)arguments.DeepClone();
        complete["job-id"] = id;
        await monitor.ExecuteAsync(command, complete, CancellationToken.None);
        (string Status, string? Error) job;
        while ((job = Find(await monitor.ExecuteAsync("query-jobs", null, CancellationToken.None), id)).Status != Concluded)
        {
            await Task.Delay(s_interval, CancellationToken.None);
        }

        await monitor.ExecuteAsync("job-dismiss", new JsonObject { ["id"] = id }, CancellationToken.None);
        return job.Error;
    }

    // A job stays until it is dismissed, and nobody but us knows its id.
    private static (string Status, string? Error) Find(JsonElement jobs, string id)
    {
        try
        {
            JsonElement job = jobs.EnumerateArray().First(job => job.GetProperty("id").GetString() == id);
            return (job.GetProperty("status").GetString()!, job.TryGetProperty("error", out JsonElement error) ? error.GetString() : null);
        }
        catch (Exception fault) when (fault is KeyNotFoundException or InvalidOperationException)
        {
            throw new ProtocolException(ErrorIds.QmpInvalid, $"QEMU's list of jobs does not hold the one that was begun: {fault.Message}", fault);
        }
    }
}
