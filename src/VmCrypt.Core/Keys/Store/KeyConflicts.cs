using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Keys.Store;

/// <summary>What keeps a change from being made.</summary>
internal static class KeyConflicts
{
    public static DeviceBusyException Changed(DiskKeyEntry entry) =>
        new(ErrorIds.DiskKeyChanged, $"The stored key of '{entry.Disk.Path}' was changed by somebody else meanwhile; nothing was changed.");

    public static RefusedException Exists(DiskKeyEntry entry) =>
        new(ErrorIds.DiskKeyExists, $"The key store holds a key for '{entry.Disk.Path}' already.");

    public static MissingException Gone(Guid id) => new(ErrorIds.DiskKeyMissing, $"The key store holds no key {id}.");
}
