using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;
using VmCrypt.Core.Usb.Host;

namespace VmCrypt.Core.Usb.Guard;

/// <summary>Finds the USB devices of a VM in QEMU's object tree; two questions where nothing has changed.</summary>
internal sealed class QemuUsbScanner(IQemuMonitor monitor, HostUsb host)
{
    // Whatever was made by -device or device_add lies in one of these.
    private static readonly string[] s_containers = ["/machine/peripheral", "/machine/peripheral-anon"];

    private readonly Dictionary<string, QemuUsbDevice> _known = [];
    private HashSet<string> _types = [];

    /// <summary>Learns which of QEMU's device types are USB devices.</summary>
    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        JsonElement types = await monitor.ExecuteAsync("qom-list-types", new JsonObject { ["implements"] = "usb-device", ["abstract"] = false }, cancellationToken);
        _types = [.. types.EnumerateArray().Select(type => type.GetProperty("name").GetString()!)];
    }

    /// <summary>A device is gone: another may come under the same name.</summary>
    public void Forget(string path)
    {
        lock (_known)
        {
            _known.Remove(path);
        }
    }

    public async Task<IReadOnlyList<QemuUsbDevice>> ScanAsync(CancellationToken cancellationToken)
    {
        var devices = new List<QemuUsbDevice>();
        foreach (string container in s_containers)
        {
            foreach ((string name, string type) in await ChildrenAsync(container, cancellationToken))
            {
                if (await DescribeAsync($"{container}/{name}", container == s_containers[0] ? name : null, type, cancellationToken) is { } device)
                {
                    devices.Add(device);
                }
            }
        }

        lock (_known)
        {
            foreach (string gone in _known.Keys.Except(devices.Select(device => device.Path)).ToArray())
            {
                _known.Remove(gone);
            }
        }

        return devices;
    }

    private async Task<IReadOnlyList<(string Name, string Type)>> ChildrenAsync(string path, CancellationToken cancellationToken)
    {
        JsonElement list = await monitor.ExecuteAsync("qom-list", new JsonObject { ["path"] = path }, cancellationToken);
        return
        [
            .. list.EnumerateArray().Select(child => (Name: child.GetProperty("name").GetString()!, Type: child.GetProperty("type").GetString()!))
                .Where(child => child.Type is ['c', 'h', 'i', 'l', 'd', '<', .., '>'])
                .Select(child => (child.Name, child.Type[6..^1]))
                .Where(child => _types.Contains(child.Item2)),
        ];
    }

    // Null if the device went away meanwhile.
    private async Task<QemuUsbDevice?> DescribeAsync(string path, string? id, string type, CancellationToken cancellationToken)
    {
        QemuUsbDevice? known;
        lock (_known)
        {
            known = _known.GetValueOrDefault(path);
        }

        // What a channel and a usb-host have behind them changes without the device itself being made anew.
        if (known is not null && known.Type == type && type is not (QemuUsbDevice.RedirType or QemuUsbDevice.HostType))
        {
            return known;
        }

        try
        {
            QemuUsbDevice device = await ReadAsync(new QemuUsbDevice(path, id, type), cancellationToken);
            lock (_known)
            {
                _known[path] = device;
            }

            return device;
        }
        catch (MissingException)
        {
            return null;
        }
    }

    private async Task<QemuUsbDevice> ReadAsync(QemuUsbDevice device, CancellationToken cancellationToken) => device.Type switch
    {
        QemuUsbDevice.RedirType => device with
        {
            Filter = await TextAsync(device, "filter", cancellationToken) is { Length: > 0 } filter ? filter : null,
            Attached = (await GetAsync(device, "attached", cancellationToken)).ValueKind == JsonValueKind.True,
        },
        QemuUsbDevice.HostType => device with { Description = await HostDeviceAsync(device, cancellationToken) },
        _ => device with { Description = EmulatedUsb.Describe(device.Type) is { } known ? known with { Serial = await TextAsync(device, "serial", cancellationToken) } : null },
    };

    // The device that QEMU has, or will take when it is plugged in; null where several fit and nobody says which.
    private async Task<UsbDeviceDescription?> HostDeviceAsync(QemuUsbDevice device, CancellationToken cancellationToken)
    {
        int[] numbers = await Task.WhenAll(new[] { "hostbus", "hostaddr", "vendorid", "productid" }.Select(name => NumberAsync(device, name, cancellationToken)));
        (int bus, int address, int vendor, int product) = (numbers[0], numbers[1], numbers[2], numbers[3]);
        string? port = await TextAsync(device, "hostport", cancellationToken);
        string? node = await TextAsync(device, "hostdevice", cancellationToken);
        HostUsbDevice[] fitting =
        [
            .. host.Devices().Where(one => (bus == 0 || one.Bus == bus) && (address == 0 || one.Address == address)
                && (vendor == 0 || one.Description.VendorId == vendor) && (product == 0 || one.Description.ProductId == product)
                && (string.IsNullOrEmpty(port) || one.Description.Port == $"{one.Bus}-{port}")
                && (string.IsNullOrEmpty(node) || node == string.Create(CultureInfo.InvariantCulture, $"/dev/bus/usb/{one.Bus:000}/{one.Address:000}"))),
        ];
        return fitting switch
        {
            [var one] => one.Description,
            [] when vendor != 0 && product != 0 => new UsbDeviceDescription { VendorId = (ushort)vendor, ProductId = (ushort)product },
            _ => null,
        };
    }

    private async Task<JsonElement> GetAsync(QemuUsbDevice device, string property, CancellationToken cancellationToken) =>
        await monitor.ExecuteAsync("qom-get", new JsonObject { ["path"] = device.Path, ["property"] = property }, cancellationToken);

    // Null also where this version of QEMU does not have the property.
    private async Task<string?> TextAsync(QemuUsbDevice device, string property, CancellationToken cancellationToken)
    {
        try
        {
            JsonElement value = await GetAsync(device, property, cancellationToken);
            return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (RefusedException)
        {
            return null;
        }
    }

    private async Task<int> NumberAsync(QemuUsbDevice device, string property, CancellationToken cancellationToken) =>
        (await GetAsync(device, property, cancellationToken)) is { ValueKind: JsonValueKind.Number } value ? value.GetInt32() : 0;
}
