using VmCrypt.Commands.Host;
using VmCrypt.Core.Usb.Guard;

namespace VmCrypt.Commands.Usb;

/// <summary>An event of a guard or proxy that works in the foreground.</summary>
public sealed record UsbLogLine(
    DateTimeOffset Time, UsbEventKind Kind, string? Vm, string? Channel, string? Device, double? LatencyMilliseconds, string Reason) : ILogLine
{
    private string Text { get; init; } = string.Empty;

    internal static UsbLogLine From(UsbEvent happening) => new(
        happening.Time, happening.Kind, happening.Vm?.Name, happening.Channel, happening.Device?.Id, happening.Latency?.TotalMilliseconds, happening.Reason)
    {
        Text = happening.ToString(),
    };

    public override string ToString() => Text;
}
