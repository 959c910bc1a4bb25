using VmCrypt.Core.Usb.Languages;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Guard;

internal enum UsbAction
{
    /// <summary>The device may stay.</summary>
    Leave,

    Eject,

    /// <summary>The channel may stay, with another filter.</summary>
    Refilter,
}

/// <summary>What is to happen to a device of a VM, and why.</summary>
internal sealed record UsbDecision(UsbAction Action, string Reason);

/// <summary>Decides about the devices of one VM.</summary>
internal sealed class UsbDecider(UsbGuardOptions options)
{
    private volatile FilterText? _filter;

    public UsbDecision Decide(QemuUsbDevice device, UsbRuleSet rules, DateTimeOffset now)
    {
        if (device.IsRedirection)
        {
            return DecideChannel(device, FilterOf(rules, now));
        }

        if (EmulatedUsb.IsFurniture(device.Type) && !options.JudgeEmulatedInput)
        {
            return new UsbDecision(UsbAction.Leave, "it is a hub or input device of QEMU itself");
        }

        if (device.Description is null)
        {
            return new UsbDecision(UsbAction.Eject, $"nobody can tell which device the {device.Type} is");
        }

        UsbVerdict verdict = rules.Judge(device.Description, now);
        return new UsbDecision(verdict.Allowed ? UsbAction.Leave : UsbAction.Eject, verdict.Reason);
    }

    private UsbDecision DecideChannel(QemuUsbDevice channel, string filter)
    {
        if (channel.Id is not null && options.ProxiedChannels.Contains(channel.Id))
        {
            return new UsbDecision(UsbAction.Leave, "a proxy guards this channel");
        }

        if (channel.Filter == filter)
        {
            return new UsbDecision(UsbAction.Leave, "QEMU's filter is the list's");
        }

        return channel.Attached && channel.Filter is not null && UsbredirFilter.OnlyAdds(channel.Filter, filter)
            ? new UsbDecision(UsbAction.Leave, "its device is allowed still; the wider filter comes once it is unplugged")
            : new UsbDecision(UsbAction.Refilter, channel.Filter is null ? "the channel has no filter" : "the channel's filter is not the list's");
    }

    /// <summary>The filter that channels must have; a long list is not written out again for every look at every channel.</summary>
    public string FilterOf(UsbRuleSet rules, DateTimeOffset now)
    {
        FilterText? known = _filter;
        if (known is null || known.Rules != rules || now >= known.Until)
        {
            string text = UsbredirFilter.Format(rules.Whitelist.At(now), UsbredirFilter.QemuForm).Text;
            _filter = known = new FilterText(rules, rules.NextChange(now), text);
        }

        return known.Text;
    }

    private sealed record FilterText(UsbRuleSet Rules, DateTimeOffset? Until, string Text);
}
