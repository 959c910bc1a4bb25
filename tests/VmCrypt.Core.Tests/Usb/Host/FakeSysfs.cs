using VmCrypt.Core.Tests.Usb.Redir;
using VmCrypt.Core.Usb;

namespace VmCrypt.Core.Tests.Usb.Host;

/// <summary>A folder that looks as sysfs shows USB devices.</summary>
internal sealed class FakeSysfs
{
    public FakeSysfs(string folder)
    {
        Root = Directory.CreateDirectory(Path.Combine(folder, "bus", "usb", "devices")).FullName;
        Nodes = Directory.CreateDirectory(Path.Combine(folder, "nodes")).FullName;
        File.WriteAllText(Path.Combine(folder, "bus", "usb", "drivers_probe"), string.Empty);
        AddBus("usb1", "1", "1");
    }

    public string Root { get; }

    /// <summary>Where the kernel would make a node for each device.</summary>
    public string Nodes { get; }

    public string this[string device, string file] => File.ReadAllText(Path.Combine(Root, device, file)).TrimEnd();

    public void Add(string port, int address, ushort vendor, ushort product, bool authorized, UsbClassCode own, params UsbClassCode[] interfaces)
    {
        // Made elsewhere and moved here, for sysfs shows a device whole.
        string folder = Directory.CreateDirectory(Path.Combine(Nodes, "..", $"new-{port}")).FullName;
        byte[] device = UsbDescriptorBytes.Device(vendor, product, own: own);
        File.WriteAllBytes(Path.Combine(folder, "descriptors"), [.. device, .. UsbDescriptorBytes.Configuration(interfaces)]);
        foreach ((string name, string text) in new[] { ("busnum", "1"), ("devnum", $"{address}"), ("authorized", authorized ? "1" : "0") })
        {
            File.WriteAllText(Path.Combine(folder, name), text + "\n");
        }

        for (int index = 0; index < interfaces.Length; index++)
        {
            string one = Directory.CreateDirectory(Path.Combine(folder, $"{port}:1.{index}")).FullName;
            File.WriteAllText(Path.Combine(one, "authorized"), "0\n");
        }

        Directory.Move(folder, Path.Combine(Root, port));
        File.WriteAllText(Path.Combine(Nodes, $"{address:000}"), string.Empty);
    }

    /// <summary>A root hub, and what devices on its bus start out as.</summary>
    public void AddBus(string name, string devices, string interfaces)
    {
        UsbClassCode hub = UsbClassCode.Parse("09:00:00");
        Add(name, 1, 0x1d6b, 0x0002, authorized: true, hub, hub);
        SetDefaults(name, devices, interfaces);
    }

    public void SetDefaults(string bus, string devices, string interfaces)
    {
        File.WriteAllText(Path.Combine(Root, bus, "authorized_default"), devices + "\n");
        File.WriteAllText(Path.Combine(Root, bus, "interface_authorized_default"), interfaces + "\n");
    }

    public void Remove(string port) => Directory.Delete(Path.Combine(Root, port), recursive: true);
}
