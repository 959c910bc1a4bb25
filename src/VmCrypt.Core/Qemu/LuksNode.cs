using System.Text.Json;
using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>A node of a running QEMU that holds a LUKS header: a raw LUKS disk, or a qcow2 image with LUKS inside.</summary>
/// <remarks>Its key slots are changed by <c>x-blockdev-amend</c>, whose options are those of <c>qemu-img amend</c>.</remarks>
internal sealed class LuksNode
{
    private readonly IQemuMonitor _monitor;
    private readonly string _driver;

    private LuksNode(IQemuMonitor monitor, string name, string driver)
    {
        _monitor = monitor;
        Name = name;
        _driver = driver;
    }

    public string Name { get; }

    /// <summary>Finds the node of an image by its file, or the one that is named.</summary>
    /// <param name="nodeName">Null: the only node that can be written and lies on <paramref name="path"/>.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.QemuNodeMissing"/>.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.QemuNodeAmbiguous"/>.</exception>
    public static async ValueTask<LuksNode> FindAsync(IQemuMonitor monitor, string path, string? nodeName, CancellationToken cancellationToken)
    {
        JsonElement nodes = await monitor.ExecuteAsync("query-named-block-nodes", new JsonObject { ["flat"] = true }, cancellationToken);
        (string Name, string Driver)[] found = Matching(nodes, path, nodeName);
        return found switch
        {
            [var (name, driver)] => new LuksNode(monitor, name, driver),
            [] => throw new MissingException(ErrorIds.QemuNodeMissing, nodeName is null
                ? $"QEMU has no LUKS disk open for writing whose file is {path}; where it knows the file by another name, name the node with -NodeName."
                : $"QEMU has no node '{nodeName}' that is a LUKS disk, or a qcow2 image with LUKS inside."),
            _ => throw new InvalidInputException(ErrorIds.QemuNodeAmbiguous,
                $"QEMU has {path} open in the nodes {string.Join(", ", found.Select(node => node.Name))}; name one with -NodeName."),
        };
    }

    /// <summary>Fills a free slot.</summary>
    /// <param name="current">The id of the secret object whose passphrase opens the disk.</param>
    /// <param name="added">That of the new passphrase.</param>
    /// <exception cref="RefusedException"><see cref="ErrorIds.MonitorRefused"/>.</exception>
    public ValueTask FillAsync(int slot, string current, string added, TimeSpan iterTime) => AmendAsync(QemuOptions.Of(
        ("state", "active"), ("keyslot", slot), ("secret", current), ("new-secret", added), ("iter-time", (long)iterTime.TotalMilliseconds)));

    /// <summary>Destroys a slot; QEMU refuses to destroy the last.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.MonitorRefused"/>.</exception>
    public ValueTask EraseAsync(int slot) => AmendAsync(QemuOptions.Of(("state", "inactive"), ("keyslot", slot)));

    /// <summary>Has QEMU put on the medium what it has written.</summary>
    /// <exception cref="DeviceFaultException"><see cref="ErrorIds.DeviceIO"/>.</exception>
    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        // QMP has no flush; the monitor for people has qemu-io, which prints what went wrong and nothing else.
        var line = new JsonObject { ["command-line"] = $"qemu-io \"{Name}\" flush" };
        JsonElement answer = await _monitor.ExecuteAsync("human-monitor-command", line, cancellationToken);
        if (answer.ValueKind != JsonValueKind.String)
        {
            throw new ProtocolException(ErrorIds.QmpInvalid, $"QEMU's monitor for people answers no text, but {answer.ValueKind}.");
        }

        string said = answer.GetString()!.Trim();
        if (said.Length > 0)
        {
            throw new DeviceFaultException(ErrorIds.DeviceIO, $"QEMU cannot flush the disk {Name}: {said}");
        }
    }

    private ValueTask AmendAsync(JsonObject change)
    {
        JsonObject options;
        if (_driver == "luks")
        {
            change["driver"] = _driver;
            options = change;
        }
        else
        {
            change["format"] = "luks";
            options = QemuOptions.Of(("driver", _driver), ("encrypt", change));
        }

        return QemuJob.RunAsync(_monitor, "x-blockdev-amend", QemuOptions.Of(("node-name", Name), ("options", options)));
    }

    private static (string Name, string Driver)[] Matching(JsonElement nodes, string path, string? nodeName)
    {
        try
        {
            return [.. nodes.EnumerateArray().Where(IsLuks).Where(node => nodeName is null
                ? !node.GetProperty("ro").GetBoolean() && FileOf(node) is { } file && IsSameFile(file, path)
                : NameOf(node) == nodeName).Select(node => (NameOf(node), node.GetProperty("drv").GetString()!))];
        }
        catch (Exception fault) when (fault is KeyNotFoundException or InvalidOperationException)
        {
            throw new ProtocolException(ErrorIds.QmpInvalid, $"QEMU's list of block nodes is none: {fault.Message}", fault);
        }
    }

    private static string NameOf(JsonElement node) => node.GetProperty("node-name").GetString()!;

    private static bool IsLuks(JsonElement node) => node.GetProperty("drv").GetString() switch
    {
        "luks" => true,
        "qcow2" => node.GetProperty("image").TryGetProperty("format-specific", out JsonElement specific)
            && specific.GetProperty("data").TryGetProperty("encrypt", out JsonElement encrypt) && encrypt.GetProperty("format").GetString() == "luks",
        _ => false,
    };

    // A path, or json: and the options of the node and those below, the lowest of which names the file.
    private static string? FileOf(JsonElement node)
    {
        const string Json = "json:";
        string file = node.GetProperty("file").GetString()!;
        if (!file.StartsWith(Json, StringComparison.Ordinal))
        {
            return file;
        }

        try
        {
            JsonNode? options = JsonNode.Parse(file[Json.Length..]);
            while (options is JsonObject { } level && level["filename"] is null)
            {
                options = level["file"];
            }

            return (options as JsonObject)?["filename"]?.GetValue<string>();
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>Whether two paths lead to the same file of this host.</summary>
    internal static bool IsSameFile(string one, string other) => one == other || (File.Exists(one) && File.Exists(other) && Resolve(one) == Resolve(other));

    private static string Resolve(string path) => File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path);
}
