using System.Text.Json;
using System.Text.Json.Serialization;

namespace VmCrypt.Core.Machines;

/// <summary>How far the encryption of a VM's disk has come.</summary>
public enum ProtectionState
{
    /// <summary>The VM starts from its old disk; there may be a part of the copy.</summary>
    Begun,

    /// <summary>The copy is complete and proven; the VM starts from its old disk.</summary>
    Copied,

    /// <summary>The VM starts from the encrypted disk; the old one is kept.</summary>
    Switched,
}

/// <summary>A VM's disk that was, or is being, replaced by an encrypted copy: all that is needed to go on, or back.</summary>
public sealed record ProtectedDisk
{
    public required string VmName { get; init; }

    public required Guid VmUuid { get; init; }

    public required string Target { get; init; }

    public required string ConnectUri { get; init; }

    public ProtectionState State { get; init; }

    /// <summary>The plain disk. It is kept until somebody wipes it.</summary>
    public required string OldPath { get; init; }

    /// <summary>The <c>&lt;disk&gt;</c> as it was.</summary>
    public required string OldXml { get; init; }

    /// <summary>The encrypted disk.</summary>
    public required string Path { get; init; }

    /// <summary>libvirt's secret with its passphrase.</summary>
    public required Guid SecretUuid { get; init; }

    /// <summary>What the files were when the copy was proven: whoever changed one since had a reason.</summary>
    public FileStamp? OldStamp { get; init; }

    /// <inheritdoc cref="OldStamp"/>
    public FileStamp? Stamp { get; init; }
}

/// <summary>Tells whether a file has been written since.</summary>
public sealed record FileStamp(long Length, DateTime ModifiedUtc)
{
    internal static FileStamp? Of(string path) => new FileInfo(path) is { Exists: true } file
        ? new FileStamp(file.Length, file.LastWriteTimeUtc)
        : null;
}

/// <summary>The host's protected disks, as they stand in the configuration folder.</summary>
internal sealed record ProtectedDiskTable
{
    // Has a setter, because the generated reader would put null over the default of an init-only member.
    public ProtectedDisk[] Disks { get; set; } = [];
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Strict, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(ProtectedDiskTable))]
internal sealed partial class ProtectedDiskJson : JsonSerializerContext;
