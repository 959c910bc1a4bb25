using System.Globalization;
using VmCrypt.Core.Audit;
using VmCrypt.Core.Configuration;

namespace VmCrypt.Core.Keys.Store;

/// <summary>Writes down who did what with which key; never a secret. Each change of a store stands there with its number.</summary>
internal sealed class KeyStoreAudit(ConfigurationFolder folder)
{
    private const string Store = "store";
    private const string Changes = "storeChanges";

    /// <summary>Something about a store.</summary>
    /// <param name="changes">The number of the change that it was.</param>
    public Task WriteAsync(string action, string target, Guid store, long changes, params (string Name, string Value)[] details) =>
        AppendAsync(action, target, vm: null, [(Store, $"{store}"), (Changes, $"{changes}"), .. details]);

    /// <summary>Something about the key of one disk.</summary>
    public Task WriteAsync(string action, DiskKeyEntry entry, Guid store, long changes, params (string Name, string Value)[] details) => AppendAsync(
        action, entry.Disk.Path, entry.Disk.VM ?? entry.Disk.VMUuid?.ToString(), [("key", $"{entry.Id}"), (Store, $"{store}"), (Changes, $"{changes}"), .. details]);

    /// <summary>The greatest number of a change of the store that this host has written down; 0 for none.</summary>
    public async Task<long> NewestChangeAsync(Guid store, CancellationToken cancellationToken)
    {
        long newest = 0;
        await foreach (AuditEntry entry in AuditLog.Of(folder).ReadAsync(cancellationToken))
        {
            IReadOnlyDictionary<string, string> details = entry.Event.Details;
            bool isOurs = details.TryGetValue(Store, out string? id) && id == $"{store}";
            if (isOurs && details.TryGetValue(Changes, out string? text) && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number))
            {
                newest = Math.Max(newest, number);
            }
        }

        return newest;
    }

    // Not to be cancelled: what was done is to be written down.
    private Task<AuditReceipt> AppendAsync(string action, string target, string? vm, (string Name, string Value)[] details) => AuditLog.Of(folder).AppendAsync(
        new AuditEvent(action, target, "Done") { VM = vm, Details = details.ToDictionary(detail => detail.Name, detail => detail.Value) },
        CancellationToken.None);
}
