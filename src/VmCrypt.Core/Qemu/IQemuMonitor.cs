using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>The monitor of one running VM, reached over QMP or through libvirt; for many callers at once.</summary>
public interface IQemuMonitor : IAsyncDisposable
{
    /// <summary>What happens in the VM; completes when the connection ends. One reader.</summary>
    ChannelReader<QemuEvent> Events { get; }

    /// <summary>Gives a command and returns what QEMU answers.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.MonitorRefused"/>.</exception>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.MonitorLost"/>, <see cref="ErrorIds.MonitorTimeout"/>.</exception>
    Task<JsonElement> ExecuteAsync(string command, JsonObject? arguments, CancellationToken cancellationToken);
}
