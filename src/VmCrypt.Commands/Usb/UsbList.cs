using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Commands.Usb;

/// <summary>A USB whitelist, as texts that pipe into the other commands.</summary>
/// <param name="Vm">Name or UUID of the VM; null for the default list.</param>
/// <param name="Rule">In the language of whitelists, in their order.</param>
public sealed record UsbList(string? Vm, string[] Rule)
{
    /// <summary>The list is the one of VMs that have none of their own.</summary>
    public bool Default => Vm is null;

    internal static UsbList From(UsbWhitelist list) => new(list.Vm, [.. list.Rules.Select(rule => rule.ToString())]);
}
