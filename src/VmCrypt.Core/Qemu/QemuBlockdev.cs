using System.Text.Json.Nodes;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Qemu;

/// <summary>How a node uses the host's page cache.</summary>
public enum BlockdevCache
{
    Writeback,

    /// <summary>Past the cache.</summary>
    None,

    /// <summary>Flushes are ignored.</summary>
    Unsafe,
}

/// <summary>What a node has besides its image.</summary>
public sealed record BlockdevOptions
{
    public bool ReadOnly { get; init; }

    public BlockdevCache Cache { get; init; }

    /// <summary>The guest's discards reach the file.</summary>
    public bool Discard { get; init; }

    /// <summary>The payload of a LUKS disk is a qcow2 image (LUKS under qcow2).</summary>
    public bool PayloadIsQcow2 { get; init; }

    /// <summary>A detached LUKS header, which QEMU 9.0 and newer read.</summary>
    public string? HeaderPath { get; init; }

    /// <summary>The tls-creds object through which QEMU reaches an NBD server with TLS.</summary>
    public string? TlsCredentialsId { get; init; }
}

/// <summary>An image as QEMU's block nodes: for <c>-blockdev</c> and for QMP's <c>blockdev-add</c>.</summary>
public sealed class QemuBlockdev
{
    private readonly JsonObject _node;

    private QemuBlockdev(string name, JsonObject node)
    {
        NodeName = name;
        _node = node;
        _node.Insert(1, "node-name", name);
    }

    public string NodeName { get; }

    /// <summary>What follows <c>-blockdev</c>: <c>driver=…,node-name=…</c>.</summary>
    public string Argument => QemuOptions.ToKeyValues(_node);

    /// <summary>The same as JSON, for <c>-blockdev</c> and as the arguments of <c>blockdev-add</c>.</summary>
    public string Json => _node.ToJsonString();

    public override string ToString() => Argument;

    /// <param name="secretOf">The id of the secret object of an encrypted image of the chain.</param>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LibvirtInexpressible"/>: QEMU does not read LUKS2.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.LegacyEncryptionRefused"/>.</exception>
    public static QemuBlockdev Of(string nodeName, ImageDescription image, BlockdevOptions options, Func<ImageDescription, string> secretOf) =>
        new(QemuObject.RequireId(nodeName), Node(image, options, secretOf));

    /// <summary>An RBD image, raw or with LUKS that QEMU reads.</summary>
    /// <param name="secretId">Null for a plain one.</param>
    public static QemuBlockdev OfRbd(string nodeName, string pool, string image, string? user, string? configFile, string? secretId, BlockdevOptions options)
    {
        JsonObject rbd = QemuOptions.Of(
            ("driver", "rbd"), ("pool", pool), ("image", image), ("user", user), ("conf", configFile is null ? null : QemuObjects.RequirePath(configFile)),
            ("read-only", options.ReadOnly ? true : null), ("cache", Cache(options)), ("discard", options.Discard ? "unmap" : null));
        JsonObject node = secretId is null ? Format("raw", rbd, options) : Luks(rbd, QemuObject.RequireId(secretId), header: null, options);
        return new QemuBlockdev(QemuObject.RequireId(nodeName), node);
    }

    private static JsonObject Node(ImageDescription image, BlockdevOptions options, Func<ImageDescription, string> secretOf)
    {
        if (image.Encryption == EncryptionPlacement.LegacyAes)
        {
            throw new RefusedException(ErrorIds.LegacyEncryptionRefused, $"The image {image.Path} has the legacy AES of qcow, which emulators refuse; convert it with Convert-Image.");
        }

        if (image.Luks is { Version: not LuksVersion.Luks1 })
        {
            throw new UnsupportedFeatureException(ErrorIds.LibvirtInexpressible, $"The image {image.Path} has LUKS2, which QEMU does not read: serve it with Unlock-Image and give the export's URI instead.");
        }

        JsonObject storage = Storage(image.Path, options);
        JsonObject container = image.Format == ImageFormat.Qcow2 ? Qcow2(image, storage, options, secretOf) : storage;
        return image.Encryption switch
        {
            EncryptionPlacement.None when image.Format is ImageFormat.Qcow2 => container,
            EncryptionPlacement.None => Format(image.Format switch { ImageFormat.Vhdx => "vhdx", ImageFormat.Vhd => "vpc", ImageFormat.Qcow => "qcow", _ => "raw" }, storage, options),
            EncryptionPlacement.Inside => container,
            EncryptionPlacement.Detached => Luks(container, secretOf(image), options.HeaderPath, options),
            _ => Luks(container, secretOf(image), header: null, options),
        };
    }

    private static JsonObject Luks(JsonObject payload, string secretId, string? header, BlockdevOptions options)
    {
        JsonObject luks = Format("luks", payload, options);
        luks["key-secret"] = QemuObject.RequireId(secretId);
        if (header is not null)
        {
            luks["header"] = Storage(header, options);
        }

        return options.PayloadIsQcow2 ? Format("qcow2", luks, options) : luks;
    }

    private static JsonObject Qcow2(ImageDescription image, JsonObject storage, BlockdevOptions options, Func<ImageDescription, string> secretOf)
    {
        JsonObject qcow2 = Format("qcow2", storage, options);
        if (image.Encryption == EncryptionPlacement.Inside)
        {
            qcow2["encrypt"] = QemuOptions.Of(("format", "luks"), ("key-secret", QemuObject.RequireId(secretOf(image))));
        }

        if (image.Backing is { } backing)
        {
            qcow2["backing"] = Node(backing, new BlockdevOptions { ReadOnly = true, Cache = options.Cache, TlsCredentialsId = options.TlsCredentialsId }, secretOf);
        }

        return qcow2;
    }

    private static JsonObject Format(string driver, JsonObject file, BlockdevOptions options) => QemuOptions.Of(
        ("driver", driver), ("read-only", options.ReadOnly ? true : null), ("discard", options.Discard ? "unmap" : null), ("file", file));

    private static JsonObject Storage(string path, BlockdevOptions options)
    {
        bool device = OperatingSystem.IsLinux() && BlockNode.Of(path) is not null;
        JsonObject node = DiskLocation.IsNbdUri(path)
            ? Nbd(NbdUri.Parse(path), options.TlsCredentialsId)
            : QemuOptions.Of(("driver", device ? "host_device" : "file"), ("filename", path));
        foreach ((string key, JsonNode? value) in QemuOptions.Of(("read-only", options.ReadOnly ? true : null), ("cache", Cache(options)), ("discard", options.Discard ? "unmap" : null)).ToArray())
        {
            node[key] = value!.DeepClone();
        }

        return node;
    }

    private static JsonObject Nbd(NbdUri uri, string? credentials) => QemuOptions.Of(
        ("driver", "nbd"),
        ("server", uri.Address switch
        {
            NbdAddress.Unix unix => QemuOptions.Of(("type", "unix"), ("path", unix.Path)),
            NbdAddress.Tcp tcp => QemuOptions.Of(("type", "inet"), ("host", tcp.Host), ("port", $"{tcp.Port}")),
            _ => throw new InvalidOperationException("The kinds of address are the two above."),
        }),
        ("export", uri.Export.Length > 0 ? uri.Export : null),
        ("tls-creds", uri.Tls is null ? null : QemuObject.RequireId(credentials ?? throw new InvalidInputException(
            ErrorIds.QemuOptionInvalid, $"QEMU reaches '{uri}' through a tls-creds object, and none is named."))),
        ("tls-hostname", uri.Tls?.HostName));

    private static JsonObject? Cache(BlockdevOptions options) => options.Cache switch
    {
        BlockdevCache.None => QemuOptions.Of(("direct", true), ("no-flush", false)),
        BlockdevCache.Unsafe => QemuOptions.Of(("direct", false), ("no-flush", true)),
        _ => null,
    };
}
