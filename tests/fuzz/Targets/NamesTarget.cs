using VmCrypt.Core.Qemu;
using VmCrypt.Core.Usb;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>The short texts that name things: USB devices and classes, VMs, monitors. The first byte chooses which.</summary>
internal sealed class NamesTarget : IFuzzTarget
{
    public string Name => "names";

    public int MaxLength => 1024;

    public IReadOnlyList<byte[]> Words { get; } = Text.Words(
        "048d:1169", "08:06:50", ":", "ffff", "unix:/run/vm.qmp", "tcp:", "tcp:127.0.0.1:4444", "tcp:[::1]:1", "65535", "default.json", "vm-", ".json", "%41", "%2F", "%ZZ", "..", "/",
        "vm-c7a5fdbd-cdaf-9455-926a-d65c16db1809.json", "{c7a5fdbd-cdaf-9455-926a-d65c16db1809}", "\xc3\xa4", "\0");

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (input.IsEmpty)
        {
            return;
        }

        string text = Text.Of(input[1..]);
        switch (input[0] % 5)
        {
            case 0:
                trace.Note("device", UsbDeviceDescription.Parse(text).Id.Length);
                break;
            case 1:
                DefectException.Unless(UsbClassCode.Parse(UsbClassCode.Parse(text).ToString()) == UsbClassCode.Parse(text), "A class comes back as another.");
                break;
            case 2:
                trace.Note("endpoint", StreamEndpoint.Parse(text).ToString().Length);
                break;
            case 3:
                VmOfList(text);
                break;
            default:
                trace.Note($"list {UsbListFile.TryVmOf(text, out string? vm)}", vm?.Length ?? -1);
                break;
        }
    }

    private static void VmOfList(string vm)
    {
        string name = UsbListFile.NameOf(vm);
        DefectException.Unless(name == Path.GetFileName(name), "The name of a list leads out of its folder.");
        DefectException.Unless(UsbListFile.TryVmOf(name, out string? found) && UsbListFile.NameOf(found) == name, "The VM of a list is not found by its file's name.");
    }
}
