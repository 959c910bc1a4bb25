using VmCrypt.Core.Keys.Store.Protectors;

namespace VmCrypt.Core.Keys.Store;

/// <summary>A key store, as far as it is visible without its key.</summary>
/// <param name="Location">The file, or the database.</param>
/// <param name="Entries">Keys of disks.</param>
public sealed record KeyStoreFacts(Guid Id, string Location, long Entries, KeyProtectorFacts[] Protectors)
{
    /// <summary>The store opens on this host without anybody at the keyboard, if what protects it is as it was.</summary>
    public bool IsUnattended => Array.Exists(Protectors, protector => protector.Kind != KeyProtectorKind.Passphrase);
}
