using System.Globalization;
using System.Xml.Linq;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Libvirt;

/// <summary>Where a disk's bytes are, and how they are encrypted there.</summary>
public abstract record DiskSource
{
    private protected DiskSource()
    {
    }

    public DiskEncryption? Encryption { get; init; }

    /// <summary>libvirt's word for the kind: file, block, network, …</summary>
    public abstract string Type { get; }

    internal static DiskSource? Parse(string type, XElement? source)
    {
        if (source is null)
        {
            return null;
        }

        DiskSource? found = (type, source.Text("protocol")) switch
        {
            ("file", _) => source.Text("file") is { } file ? new FileSource(file) : null,
            ("block", _) => source.Text("dev") is { } device ? new BlockSource(device) : null,
            ("network", "nbd") => NbdSource.Parse(source),
            ("network", "rbd") => RbdSource.Parse(source),
            (_, var protocol) => new OtherSource(type, protocol, source.Text("name") ?? source.Text("volume") ?? source.Text("dir")),
        };
        return found is null ? null : found with { Encryption = DiskEncryption.Parse(source.Element("encryption")) };
    }

    internal XElement ToXml()
    {
        if (Encryption?.Engine == EncryptionEngine.Librbd && this is not RbdSource)
        {
            throw LibvirtXml.Refused($"The engine librbd is for RBD images, not for a source of the type {Type}.");
        }

        XElement source = Body();
        source.Add(Encryption?.ToXml());
        return source;
    }

    private protected abstract XElement Body();
}

/// <summary>An image file.</summary>
/// <param name="Path">Absolute, as the hypervisor names it.</param>
public sealed record FileSource(string Path) : DiskSource
{
    public override string Type => "file";

    public override string ToString() => Path;

    private protected override XElement Body() => new("source", new XAttribute("file", HostPath.Require(Path)));
}

/// <summary>A block device.</summary>
/// <param name="Path">Absolute, as the hypervisor names it.</param>
public sealed record BlockSource(string Path) : DiskSource
{
    public override string Type => "block";

    public override string ToString() => Path;

    private protected override XElement Body() => new("source", new XAttribute("dev", HostPath.Require(Path)));
}

/// <summary>An export of an NBD server.</summary>
/// <param name="TlsHostName">The name that the server's certificate must have; null for the host's.</param>
public sealed record NbdSource(NbdUri Uri, bool? Tls = null, string? TlsHostName = null) : DiskSource
{
    public override string Type => "network";

    public override string ToString() => Uri.ToString();

    /// <summary>Libvirt has the certificates of its host in qemu.conf; the URI's folder is ours alone.</summary>
    internal static NbdSource Of(NbdUri uri) => new(uri, uri.Tls is null ? null : true, uri.Tls?.HostName);

    internal static NbdSource Parse(XElement source)
    {
        NetworkHost host = source.Element("host") is { } element ? NetworkHost.Parse(element) : throw LibvirtXml.Invalid("an NBD source has no <host>");
        NbdAddress address = host.Socket is { } socket ? new NbdAddress.Unix(socket) : new NbdAddress.Tcp(host.Name!, host.Port ?? NbdUri.DefaultPort);
        return new NbdSource(new NbdUri(address, source.Text("name") ?? string.Empty), source.Choice<YesNo>("tls") is { } tls ? tls == YesNo.Yes : null, source.Text("tlsHostname"));
    }

    private protected override XElement Body()
    {
        NetworkHost host = Uri.Address switch
        {
            NbdAddress.Unix unix => new NetworkHost(null, null, HostPath.Require(unix.Path)),
            NbdAddress.Tcp tcp => new NetworkHost(tcp.Host, tcp.Port, null),
            _ => throw new InvalidOperationException("The kinds of address are the two above."),
        };
        return new XElement("source", new XAttribute("protocol", "nbd"), LibvirtXml.Optional("name", Uri.Export.Length > 0 ? Uri.Export : null),
            LibvirtXml.Optional("tls", Tls is { } tls ? (tls ? YesNo.Yes : YesNo.No) : null), LibvirtXml.Optional("tlsHostname", TlsHostName), host.ToXml());
    }
}

/// <summary>An image in a Ceph cluster.</summary>
/// <param name="Name"><c>pool/image</c>.</param>
public sealed record RbdSource(string Name) : DiskSource
{
    /// <summary>The monitors; empty where ceph.conf names them.</summary>
    public NetworkHost[] Hosts { get; init; } = [];

    /// <summary>A ceph.conf other than the hypervisor's own.</summary>
    public string? ConfigFile { get; init; }

    public string? Snapshot { get; init; }

    /// <summary>The Ceph user (without <c>client.</c>) and the secret that holds its key.</summary>
    public (string User, SecretReference Secret)? Auth { get; init; }

    public override string Type => "network";

    public override string ToString() => $"rbd:{Name}";

    internal static RbdSource Parse(XElement source) => new(source.Require("name"))
    {
        Hosts = [.. source.Elements("host").Select(NetworkHost.Parse)],
        ConfigFile = source.Element("config")?.Text("file"),
        Snapshot = source.Element("snapshot")?.Text("name"),
        Auth = ParseAuth(source.Element("auth")),
    };

    internal static (string User, SecretReference Secret)? ParseAuth(XElement? auth) => auth?.Element("secret") is { } secret
        ? (auth.Require("username"), SecretReference.Parse(secret))
        : null;

    private protected override XElement Body()
    {
        if (Name.Split('/') is not [{ Length: > 0 }, { Length: > 0 }])
        {
            throw LibvirtXml.Refused($"The RBD image is '{Name}', and must be pool/image.");
        }

        return new XElement("source", new XAttribute("protocol", "rbd"), new XAttribute("name", Name),
            Hosts.Select(host => host.ToXml()),
            Snapshot is null ? null : new XElement("snapshot", new XAttribute("name", Snapshot)),
            ConfigFile is null ? null : new XElement("config", new XAttribute("file", HostPath.Require(ConfigFile))),
            Auth is var (user, secret) ? new XElement("auth", new XAttribute("username", user), secret.ToXml("ceph")) : null);
    }
}

/// <summary>A source that is recognised and not looked into.</summary>
public sealed record OtherSource(string Kind, string? Protocol, string? Name) : DiskSource
{
    public override string Type => Kind;

    public override string ToString() => string.Join(':', new[] { Protocol ?? Kind, Name }.Where(part => part is not null));

    private protected override XElement Body() =>
        throw LibvirtXml.Refused($"A disk source of the type {Kind} {Protocol} cannot be written here.");
}

/// <summary>One host of a network source: a name and port, or a Unix socket.</summary>
public sealed record NetworkHost(string? Name, int? Port, string? Socket)
{
    /// <summary>Reads <c>host</c>, <c>host:port</c>, <c>[address]:port</c>.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.LibvirtDefinitionInvalid"/>.</exception>
    public static NetworkHost Parse(string text) =>
        Uri.TryCreate($"ceph://{text}/", UriKind.Absolute, out Uri? uri) && uri.Host.Length > 0 && uri.UserInfo.Length == 0 && uri.AbsolutePath == "/" && uri.Port != 0
            ? new NetworkHost(uri.DnsSafeHost, uri.Port < 0 ? null : uri.Port, null)
            : throw LibvirtXml.Refused($"'{text}' is no host; write host, host:port or [address]:port.");

    internal static NetworkHost Parse(XElement host)
    {
        if (host.Text("transport") == "unix")
        {
            return new NetworkHost(null, null, host.Require("socket"));
        }

        string? text = host.Text("port");
        int port = 0;
        return text is null || int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is > 0 and < 65536
            ? new NetworkHost(host.Require("name"), text is null ? null : port, null)
            : throw LibvirtXml.Invalid($"'{text}' is no port");
    }

    internal XElement ToXml() => Socket is not null
        ? new XElement("host", new XAttribute("transport", "unix"), new XAttribute("socket", Socket))
        : new XElement("host", new XAttribute("name", Name!), LibvirtXml.Optional("port", Port));
}

internal enum YesNo
{
    Yes,
    No,
}
