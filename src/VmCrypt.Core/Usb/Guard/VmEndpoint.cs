using System.Text.Json;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Usb.Lists;

namespace VmCrypt.Core.Usb.Guard;

/// <summary>How a VM is reached.</summary>
/// <param name="Key">What tells it from others: a socket's address, a domain's UUID.</param>
internal sealed record VmEndpoint(string Key, Func<CancellationToken, Task<IQemuMonitor>> ConnectAsync)
{
    /// <summary>Who it is, where that is known before QEMU is asked.</summary>
    public VmIdentity? Identity { get; init; }

    /// <summary>libvirt owns the VM, and tidies up its own names when devices go.</summary>
    public bool Libvirt { get; init; }

    /// <summary>Where QEMU's log goes already; null where it may be moved.</summary>
    public string? LogFile { get; init; }

    public static VmEndpoint OfQmp(StreamEndpoint endpoint, TimeSpan patience) =>
        new(endpoint.Text, async cancellationToken => await QmpClient.ConnectAsync(endpoint, patience, cancellationToken));

    public static VmEndpoint OfLibvirt(LibvirtHost host, LibvirtDomain domain) =>
        new(domain.Uuid.ToString("D"), _ => Task.FromResult(host.Open(domain.Name)))
        {
            Identity = new VmIdentity(domain.Name, domain.Uuid),
            Libvirt = true,
            LogFile = $"/var/log/libvirt/qemu/{domain.Name}.log",
        };

    /// <summary>Asks QEMU for the VM's name and UUID; a VM without a name goes by its address.</summary>
    public async Task<VmIdentity> IdentifyAsync(IQemuMonitor monitor, CancellationToken cancellationToken)
    {
        if (Identity is not null)
        {
            return Identity;
        }

        JsonElement name = await monitor.ExecuteAsync("query-name", null, cancellationToken);
        JsonElement uuid = await monitor.ExecuteAsync("query-uuid", null, cancellationToken);
        bool known = Guid.TryParse(uuid.GetProperty("UUID").GetString(), out Guid id) && id != Guid.Empty;
        return new VmIdentity(
            name.TryGetProperty("name", out JsonElement text) && text.GetString() is { Length: > 0 } given ? given : Path.GetFileNameWithoutExtension(Key),
            known ? id : null);
    }
}
