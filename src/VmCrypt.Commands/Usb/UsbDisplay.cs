using VmCrypt.Core.Usb;
using VmCrypt.Core.Usb.Guard;

namespace VmCrypt.Commands.Usb;

/// <summary>Texts for the USB views of VmCrypt.Format.ps1xml.</summary>
public static class UsbDisplay
{
    public static string ListName(string? vm) => vm ?? "(default)";

    public static string? Texts(string[]? texts) => texts is { Length: > 0 } ? string.Join('\n', texts) : null;

    public static string? Row(string[]? texts) => texts is null ? null : string.Join(' ', texts);

    public static string Time(DateTimeOffset time) => time.LocalDateTime.ToString("HH:mm:ss.fff");

    public static string? DeviceId(UsbDeviceDescription? device) => device?.Id;

    public static string? Milliseconds(TimeSpan? time) => time is { } known ? $"{known.TotalMilliseconds:0.0} ms" : null;

    public static string? Devices(IReadOnlyList<QemuUsbDevice> devices) =>
        string.Join(", ", devices.Select(device => device.Description is { } known ? $"{device.Name} ({known.Id})" : device.Name));

    /// <summary>The VMs of a guard, of this process or of another.</summary>
    public static string Vms(object vms) => string.Join(", ", vms switch
    {
        IReadOnlyList<UsbGuardedVm> own => own.Select(vm => $"{vm.Name} ({vm.State})"),
        IReadOnlyList<UsbVmState> foreign => foreign.Select(vm => $"{vm.Name} ({vm.State})"),
        _ => [],
    });
}
