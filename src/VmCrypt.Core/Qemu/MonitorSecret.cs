using System.Text.Json.Nodes;
using System.Text.Unicode;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>A secret object that a running QEMU has for as long as this lives.</summary>
/// <remarks>Its value travels through the monitor's socket, or the standard input of virsh: never through arguments or a file.</remarks>
internal sealed class MonitorSecret : IAsyncDisposable
{
    private const string Prefix = "vmcrypt-key-";

    private readonly IQemuMonitor _monitor;

    private MonitorSecret(IQemuMonitor monitor, string id)
    {
        _monitor = monitor;
        Id = id;
    }

    public string Id { get; }

    /// <param name="value">Text in UTF-8, which is all that QEMU takes for a passphrase; borrowed.</param>
    /// <param name="master">What libvirt has given the domain to wrap secrets under; null sends the value as it is.</param>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.PassphraseInvalid"/>.</exception>
    public static async ValueTask<MonitorSecret> AddAsync(IQemuMonitor monitor, SecretBuffer value, LibvirtMasterKey? master)
    {
        if (!Utf8.IsValid(value.Span) || value.Span.Contains((byte)0))
        {
            throw new InvalidInputException(ErrorIds.PassphraseInvalid, "QEMU takes text for a passphrase; this one is no UTF-8, or holds a zero byte.");
        }

        string id = $"{Prefix}{Guid.NewGuid():N}";
        QemuObject secret = master is null ? QemuSecrets.FromData(id, value) : QemuSecrets.FromWrapped(id, QemuSecrets.Wrap(value, master.Key), LibvirtMasterKey.ObjectId);
        // Not to be cancelled: an object that was added and not heard of would stay.
        await monitor.ExecuteAsync("object-add", secret.ToQmp(), CancellationToken.None);
        return new MonitorSecret(monitor, id);
    }

    /// <summary>Whether an object was made here, by this or by another call.</summary>
    public static bool IsOurs(string id) => id.StartsWith(Prefix, StringComparison.Ordinal);

    public static async ValueTask RemoveAsync(IQemuMonitor monitor, string id)
    {
        try
        {
            await monitor.ExecuteAsync("object-del", new JsonObject { ["id"] = id }, CancellationToken.None);
        }
        catch (VmCryptException)
        {
            // A monitor that is gone cannot be told, and an object that is gone need not; what failed before says so.
        }
    }

    public ValueTask DisposeAsync() => RemoveAsync(_monitor, Id);
}
