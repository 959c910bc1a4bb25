using System.Xml.Linq;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Libvirt;

/// <summary>A volume of a storage pool, as <c>virsh vol-create</c> takes it.</summary>
public sealed record VolumeDefinition
{
    /// <summary>For a dir pool, the file's name.</summary>
    public required string Name { get; init; }

    /// <summary>Bytes, as asked for.</summary>
    public required long Capacity { get; init; }

    /// <summary>Bytes that libvirt's disk will have: it passes whole KiB to qemu-img, rounded up.</summary>
    public long RoundedCapacity => checked((Capacity + 1023) / 1024 * 1024);

    /// <summary>Bytes to reserve at once; null leaves it to libvirt, which reserves all of a raw volume.</summary>
    public long? Allocation { get; init; }

    /// <summary><c>raw</c> or <c>qcow2</c>.</summary>
    public string? Format { get; init; }

    public DiskEncryption? Encryption { get; init; }

    /// <summary>The file behind a qcow2 volume, and its format.</summary>
    public (string Path, string? Format)? Backing { get; init; }

    /// <summary>Bytes; only of qcow2.</summary>
    public int? ClusterSize { get; init; }

    /// <summary>Reads a <c>&lt;volume&gt;</c>.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.LibvirtXmlInvalid"/>.</exception>
    public static VolumeDefinition Parse(string xml)
    {
        XElement volume = LibvirtXml.Parse(xml, "volume");
        XElement? target = volume.Element("target");
        XElement? backing = volume.Element("backingStore");
        return new VolumeDefinition
        {
            Name = volume.Element("name")?.Value ?? throw LibvirtXml.Invalid("the volume has no <name>"),
            Capacity = LibvirtXml.Bytes(volume.Element("capacity")) ?? 0,
            Allocation = LibvirtXml.Bytes(volume.Element("allocation")),
            Format = target?.Element("format")?.Text("type"),
            Encryption = DiskEncryption.Parse(target?.Element("encryption")),
            Backing = backing?.Element("path") is { } path ? (path.Value, backing.Element("format")?.Text("type")) : null,
            ClusterSize = LibvirtXml.Bytes(target?.Element("clusterSize")) is { } bytes and <= int.MaxValue ? (int)bytes : null,
        };
    }

    /// <summary>The XML, indented, without a declaration.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.LibvirtDefinitionInvalid"/>: libvirt would refuse a part.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LegacyEncryptionRefused"/>.</exception>
    public string ToXml()
    {
        RequireValid();
        return LibvirtXml.Write(new XElement("volume",
            new XElement("name", Name),
            Size("capacity", Capacity),
            Allocation is { } allocation ? Size("allocation", allocation) : null,
            new XElement("target",
                Format is null ? null : new XElement("format", new XAttribute("type", Format)),
                Encryption?.ToXml(),
                ClusterSize is { } clusters ? Size("clusterSize", clusters) : null),
            Backing is var (path, format)
                ? new XElement("backingStore", new XElement("path", HostPath.Require(path)), format is null ? null : new XElement("format", new XAttribute("type", format)))
                : null));
    }

    private static XElement Size(string name, long bytes) => new(name, new XAttribute("unit", "bytes"), bytes);

    private void RequireValid()
    {
        if (Name.Length == 0 || Name is "." or ".." || Name.Contains('/', StringComparison.Ordinal))
        {
            throw LibvirtXml.Refused($"The volume's name is '{Name}', and must be a file's name without a folder.");
        }

        if (Capacity <= 0 || Allocation < 0)
        {
            throw LibvirtXml.Refused($"The volume has a capacity of {Capacity} and an allocation of {Allocation ?? 0} bytes; a capacity is positive, an allocation not negative.");
        }

        if (Format is not (null or "raw" or "qcow2") && Encryption is not null)
        {
            throw LibvirtXml.Refused($"libvirt encrypts volumes of the formats raw and qcow2, not {Format}.");
        }

        if (Format != "qcow2" && (Backing is not null || ClusterSize is not null))
        {
            throw LibvirtXml.Refused("Only a qcow2 volume has clusters and a backing file.");
        }
    }
}
