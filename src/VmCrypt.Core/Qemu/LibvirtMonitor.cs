using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>The monitor of a domain whose QMP socket libvirt keeps to itself.</summary>
internal sealed class LibvirtMonitor(string domain, VirshShell shell, ChannelReader<QemuEvent> events, Action closed) : IQemuMonitor
{
    public ChannelReader<QemuEvent> Events => events;

    public async Task<JsonElement> ExecuteAsync(string command, JsonObject? arguments, CancellationToken cancellationToken)
    {
        var request = new JsonObject { ["execute"] = command };
        if (arguments is not null)
        {
            request["arguments"] = arguments.DeepClone();
        }

        string[] lines = await shell.RunAsync($"qemu-monitor-command {VirshShell.Quote(domain)} {VirshShell.Quote(request.ToJsonString())}", cancellationToken);
        string? answer = lines.LastOrDefault(line => line.StartsWith('{'));
        return answer is null
            ? throw new DeviceFaultException(ErrorIds.MonitorLost, $"libvirt does not pass '{command}' to the domain {domain}: {shell.Complaints()}")
            : Parse(answer);
    }

    public async ValueTask DisposeAsync()
    {
        closed();
        await shell.DisposeAsync();
    }

    private static JsonElement Parse(string answer)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(answer);
            return document.RootElement.TryGetProperty("error", out JsonElement error)
                ? throw QemuRefusal.From(error.GetProperty("class").GetString()!, error.GetProperty("desc").GetString()!)
                : document.RootElement.GetProperty("return").Clone();
        }
        catch (Exception fault) when (fault is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new ProtocolException(ErrorIds.QmpInvalid, $"libvirt passed on what is no QMP: {fault.Message}", fault);
        }
    }
}
