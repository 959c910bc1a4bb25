using System.Text.Json;
using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Core.Usb.Guard;

/// <summary>What it takes to make a usb-redir device again after device_del, which takes its character device along.</summary>
internal sealed class UsbRedirChannel
{
    private static readonly Version s_millisecondReconnect = new(9, 2);

    // Properties of the device that are carried over where they say something.
    private static readonly string[] s_properties = ["streams", "debug", "port", "bootindex", "suppress-remote-wake", "pcap"];

    private readonly JsonObject _device;
    private readonly JsonObject _backend;
    private readonly string _chardev;

    private UsbRedirChannel(string chardev, JsonObject backend, JsonObject device)
    {
        _chardev = chardev;
        _backend = backend;
        _device = device;
    }

    public string Id => _device["id"]!.GetValue<string>();

    /// <summary>Reads the channel; null where its character device is of a kind that cannot be made again from here.</summary>
    /// <param name="rename">Libvirt tidies up under the old names when it hears of the removal: take others.</param>
    public static async Task<UsbRedirChannel?> ReadAsync(IQemuMonitor monitor, QemuUsbDevice device, bool rename, CancellationToken cancellationToken)
    {
        async Task<JsonElement> Get(string path, string property) =>
            await monitor.ExecuteAsync("qom-get", new JsonObject { ["path"] = path, ["property"] = property }, cancellationToken);

        string chardev = (await Get(device.Path, "chardev")).GetString() ?? string.Empty;
        JsonElement all = await monitor.ExecuteAsync("query-chardev", null, cancellationToken);
        string filename = all.EnumerateArray().FirstOrDefault(one => one.GetProperty("label").GetString() == chardev) is { ValueKind: JsonValueKind.Object } own
            ? own.GetProperty("filename").GetString()!
            : string.Empty;
        JsonElement? address = filename.Contains("unix:", StringComparison.Ordinal) || filename.Contains("tcp:", StringComparison.Ordinal)
            ? await Get($"/chardevs/{chardev}", "addr")
            : null;
        if (Backend(filename, address, await VersionAsync(monitor, cancellationToken)) is not { } backend)
        {
            return null;
        }

        string name = device.Id ?? $"redir-{chardev}";
        var properties = new JsonObject
        {
            ["driver"] = QemuUsbDevice.RedirType,
            ["id"] = Renamed(name, rename),
            ["chardev"] = Renamed(chardev, rename),
            ["bus"] = (await Get(device.Path, "parent_bus")).GetString()?.Split('/')[^1],
        };
        foreach (string property in s_properties)
        {
            await CopyAsync(property, properties, name => Get(device.Path, name));
        }

        return new UsbRedirChannel(Renamed(chardev, rename), backend, properties);
    }

    /// <summary>Makes the channel again. A character device that is still (or already) there is taken as it is.</summary>
    public async Task CreateAsync(IQemuMonitor monitor, string filter, CancellationToken cancellationToken)
    {
        JsonElement all = await monitor.ExecuteAsync("query-chardev", null, cancellationToken);
        if (!all.EnumerateArray().Any(one => one.GetProperty("label").GetString() == _chardev))
        {
            await monitor.ExecuteAsync("chardev-add", new JsonObject { ["id"] = _chardev, ["backend"] = _backend.DeepClone() }, cancellationToken);
        }

        var device = (JsonObject)_device.DeepClone();
        device["filter"] = filter;
        await monitor.ExecuteAsync("device_add", device, cancellationToken);
    }

    /// <summary>The argument of chardev-add for a character device that query-chardev shows as <paramref name="filename"/>.</summary>
    internal static JsonObject? Backend(string filename, JsonElement? address, Version version) => filename switch
    {
        "null" => new JsonObject { ["type"] = "null", ["data"] = new JsonObject() },
        "spicevmc" => new JsonObject { ["type"] = "spicevmc", ["data"] = new JsonObject { ["type"] = "usbredir" } },
        _ when address is { ValueKind: JsonValueKind.Object } known => Socket(filename, known, version),
        _ => null,
    };

    private static JsonObject? Socket(string filename, JsonElement address, Version version)
    {
        bool server = filename.Contains(",server", StringComparison.Ordinal);
        string type = address.GetProperty("type").GetString()!;
        var data = new JsonObject();
        foreach (JsonProperty member in address.EnumerateObject().Where(member => member.Name != "type"))
        {
            data[member.Name] = JsonNode.Parse(member.Value.GetRawText());
        }

        // A socket that was handed over as a descriptor shows where it listens in its name alone.
        if (type == "fd" && filename.IndexOf("unix:", StringComparison.Ordinal) is >= 0 and var start && server)
        {
            (type, data) = ("unix", new JsonObject { ["path"] = filename[(start + 5)..filename.LastIndexOf(",server", StringComparison.Ordinal)] });
        }

        if (type is not ("inet" or "unix"))
        {
            return null;
        }

        var socket = new JsonObject { ["addr"] = new JsonObject { ["type"] = type, ["data"] = data }, ["server"] = server };
        if (server)
        {
            socket["wait"] = false;
        }
        else
        {
            socket[version >= s_millisecondReconnect ? "reconnect-ms" : "reconnect"] = version >= s_millisecondReconnect ? 1000 : 1;
        }

        return new JsonObject { ["type"] = "socket", ["data"] = socket };
    }

    private static async Task CopyAsync(string property, JsonObject properties, Func<string, Task<JsonElement>> get)
    {
        try
        {
            JsonElement value = await get(property);
            if (value.ValueKind is not (JsonValueKind.Null or JsonValueKind.Undefined) && value.GetRawText() is not ("\"\"" or "-1") and var text)
            {
                properties[property] = JsonNode.Parse(text);
            }
        }
        catch (RefusedException)
        {
            // Not every version of QEMU has every property.
        }
    }

    private static async Task<Version> VersionAsync(IQemuMonitor monitor, CancellationToken cancellationToken)
    {
        JsonElement version = (await monitor.ExecuteAsync("query-version", null, cancellationToken)).GetProperty("qemu");
        return new Version(version.GetProperty("major").GetInt32(), version.GetProperty("minor").GetInt32());
    }

    private static string Renamed(string name, bool rename) => !rename || name.StartsWith("vmcrypt-", StringComparison.Ordinal) ? name : $"vmcrypt-{name}";
}
