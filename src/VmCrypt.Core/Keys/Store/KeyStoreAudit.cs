using VmCrypt.Core.Audit;
using VmCrypt.Core.Configuration;

namespace VmCrypt.Core.Keys.Store;

/// <summary>Writes down who did what with which key; never a secret.</summary>
internal sealed class KeyStoreAudit(ConfigurationFolder folder)
{
    public Task WriteAsync(string action, string target, params (string Name, string Value)[] details) => WriteAsync(action, target, vm: null, details);

    public Task WriteAsync(string action, DiskKeyEntry entry, params (string Name, string Value)[] details) =>
        WriteAsync(action, entry.Disk.Path, entry.Disk.VM ?? entry.Disk.VMUuid?.ToString(), [("key", $"{entry.Id}"), .. details]);

    // Not to be cancelled: what was done is to be written down.
    private Task<AuditReceipt> WriteAsync(string action, string target, string? vm, (string Name, string Value)[] details) => AuditLog.Of(folder).AppendAsync(
        new AuditEvent(action, target, "Done") { VM = vm, Details = details.ToDictionary(detail => detail.Name, detail => detail.Value) },
        CancellationToken.None);
}
