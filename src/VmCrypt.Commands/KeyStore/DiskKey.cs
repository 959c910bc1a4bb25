using VmCrypt.Core.Keys.Store;

namespace VmCrypt.Commands.KeyStore;

/// <summary>A disk whose key is in the key store, as the commands show it and take it from the pipeline.</summary>
public sealed class DiskKey
{
    internal DiskKey(DiskKeyEntry entry)
    {
        Entry = entry;
        DiskIdentity disk = entry.Disk;
        Path = disk.Path;
        DetachedHeader = disk.HeaderPath;
        LuksUuid = disk.LuksUuid;
        Vm = disk.VM;
        VmUuid = disk.VMUuid;
        StoragePool = disk.Pool;
        StorageDomain = disk.Domain;
        ImageUuid = disk.Image;
    }

    internal DiskKeyEntry Entry { get; }

    /// <summary>The number of the record.</summary>
    public Guid Id => Entry.Id;

    public string? Vm { get; }

    public Guid? VmUuid { get; }

    /// <summary>The image.</summary>
    public string Path { get; }

    /// <summary>Where the LUKS header lies if not in the image.</summary>
    public string? DetachedHeader { get; }

    public string? LuksUuid { get; }

    public Guid? StoragePool { get; }

    public Guid? StorageDomain { get; }

    public Guid? ImageUuid { get; }

    /// <summary>The key slot that the secret opened when it was stored.</summary>
    public int? Slot => Entry.Slot;

    public DateTimeOffset Created => Entry.Created;

    /// <summary>When the secret was last handed out; null for never.</summary>
    public DateTimeOffset? LastUsed => Entry.LastUsed;

    /// <summary>How often the secret was handed out.</summary>
    public long UseCount => Entry.UseCount;

    /// <summary>A change of the secret was interrupted; Test-DiskKey -Repair ends it.</summary>
    public bool IsRotating => Entry.IsRotating;
}
