using System.Xml.Linq;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Libvirt;

/// <summary>What a storage pool keeps its volumes in.</summary>
public enum PoolType
{
    /// <summary>A folder.</summary>
    Dir,

    /// <summary>A file system that libvirt mounts.</summary>
    Fs,

    /// <summary>An LVM volume group.</summary>
    Logical,

    /// <summary>The LUNs of an iSCSI target.</summary>
    Iscsi,

    /// <summary>A pool of a Ceph cluster.</summary>
    Rbd,
}

/// <summary>A storage pool, as <c>virsh pool-define</c> takes it.</summary>
public sealed record PoolDefinition
{
    public required PoolType Type { get; init; }

    public required string Name { get; init; }

    /// <summary>libvirt makes one up where it is null.</summary>
    public Guid? Uuid { get; init; }

    /// <summary>The folder under which the volumes appear; an RBD pool has none, and a volume group needs none.</summary>
    public string? TargetPath { get; init; }

    /// <summary>The device to mount, the volume group's device, or the iSCSI target's qualified name.</summary>
    public string? Device { get; init; }

    /// <summary>The name of the volume group or of the Ceph pool, if it is not <see cref="Name"/>.</summary>
    public string? SourceName { get; init; }

    /// <summary>The iSCSI portal, or the Ceph monitors.</summary>
    public NetworkHost[] Hosts { get; init; } = [];

    /// <summary>The CHAP or Ceph user, and the secret that holds its password or key.</summary>
    public (string User, SecretReference Secret)? Auth { get; init; }

    /// <summary>Reads a <c>&lt;pool&gt;</c>.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.LibvirtXmlInvalid"/>.</exception>
    public static PoolDefinition Parse(string xml)
    {
        XElement pool = LibvirtXml.Parse(xml, "pool");
        XElement? source = pool.Element("source");
        return new PoolDefinition
        {
            Type = pool.Choice<PoolType>("type") ?? throw LibvirtXml.Invalid("the pool has no type"),
            Name = pool.Element("name")?.Value ?? source?.Element("name")?.Value ?? throw LibvirtXml.Invalid("the pool has no <name>"),
            Uuid = pool.Element("uuid") is { } uuid ? LibvirtXml.Uuid(uuid.Value) : null,
            TargetPath = pool.Element("target")?.Element("path")?.Value,
            Device = source?.Element("device")?.Text("path"),
            SourceName = source?.Element("name")?.Value,
            Hosts = [.. source?.Elements("host").Select(NetworkHost.Parse) ?? []],
            Auth = RbdSource.ParseAuth(source?.Element("auth")),
        };
    }

    /// <summary>The XML, indented, without a declaration.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.LibvirtDefinitionInvalid"/>: libvirt would refuse a part.</exception>
    public string ToXml()
    {
        RequireValid();
        bool named = Type is PoolType.Logical or PoolType.Rbd;
        return LibvirtXml.Write(new XElement("pool", new XAttribute("type", LibvirtXml.Word(Type)),
            new XElement("name", Name),
            Uuid is { } uuid ? new XElement("uuid", uuid.ToString("D")) : null,
            new XElement("source",
                named ? new XElement("name", SourceName ?? Name) : null,
                Device is null ? null : new XElement("device", new XAttribute("path", Device)),
                Hosts.Select(host => host.ToXml()),
                Auth is var (user, secret)
                    ? new XElement("auth", new XAttribute("type", Type == PoolType.Rbd ? "ceph" : "chap"), new XAttribute("username", user), secret.ToXml(type: null))
                    : null),
            Type == PoolType.Rbd ? null : new XElement("target", TargetPath is null ? null : new XElement("path", HostPath.Require(TargetPath)))));
    }

    private void RequireValid()
    {
        if (Name.Length == 0 || Name.AsSpan().IndexOfAny('/', '\n') >= 0)
        {
            throw LibvirtXml.Refused($"The pool's name is '{Name}', and must be one line without a slash.");
        }

        Require("folder for its volumes (-TargetPath)", TargetPath, Type is PoolType.Dir or PoolType.Fs or PoolType.Iscsi, Type != PoolType.Rbd);
        Require("device (-Device)", Device, Type is PoolType.Fs or PoolType.Iscsi, Type is PoolType.Fs or PoolType.Iscsi or PoolType.Logical);
        Require("name at its source (-SourceName)", SourceName, needed: false, Type is PoolType.Logical or PoolType.Rbd);
        Require("host (-SourceHost)", Hosts.FirstOrDefault(), Type is PoolType.Iscsi or PoolType.Rbd, Type is PoolType.Iscsi or PoolType.Rbd);
        Require("user (-SourceUser)", Auth, needed: false, Type is PoolType.Iscsi or PoolType.Rbd);
    }

    private void Require(string what, object? value, bool needed, bool allowed)
    {
        if (value is null ? needed : !allowed)
        {
            throw LibvirtXml.Refused($"A pool of the type {LibvirtXml.Word(Type)} {(needed ? "needs" : "has no")} {what}.");
        }
    }
}
