using VmCrypt.Commands.Host;

namespace VmCrypt.Commands.Usb;

/// <summary>Whether a VM may have a device, and why.</summary>
/// <param name="List">The list that decided: a name, a UUID, <c>default</c>, or <c>none</c>.</param>
/// <param name="Rule">The rule that decided; null where none matched.</param>
/// <param name="RuleNumber">Its place in the list, from 1.</param>
/// <param name="Pass">What was asked of the rules in turn: the device's own class, each of its interfaces.</param>
public sealed record UsbAnswer(string? Vm, string Device, bool Allowed, string Reason, string List, string? Rule, int? RuleNumber, string[] Pass) : IAnswer
{
    bool IAnswer.IsYes => Allowed;
}
