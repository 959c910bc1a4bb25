namespace VmCrypt.Core.Usb.Rules;

/// <summary>A whitelist made ready to judge devices; safe for many threads.</summary>
/// <remarks>
/// <para>The verdict is usbredir's: the device's own class is asked unless it is 00 or ef, then every interface must be allowed;
/// a non-boot HID interface beside others is not asked, unless that would leave none; the first matching rule decides a pass and
/// no match denies. Rules may also ask for subclass, protocol, serial, port and time, which usbredir does not know.</para>
/// <para>Interfaces that are not known make one pass with an unknown class.</para>
/// </remarks>
public sealed class UsbRuleSet
{
    private readonly UsbRuleIndex _index;

    /// <exception cref="Errors.InvalidInputException"><see cref="Errors.ErrorIds.UsbRuleInvalid"/>.</exception>
    public UsbRuleSet(UsbWhitelist whitelist)
    {
        Whitelist = whitelist;
        _index = new UsbRuleIndex([.. whitelist.Rules.Select(rule => rule.Checked())]);
    }

    /// <summary>Allows nothing.</summary>
    public static UsbRuleSet DenyAll { get; } = new(UsbWhitelist.Empty);

    public UsbWhitelist Whitelist { get; }

    /// <summary>A verdict may hang on the serial number: worth the trouble of reading it.</summary>
    public bool AsksForSerial => Whitelist.Rules.Any(rule => rule.Serial is not null);

    /// <summary>When a rule next comes into or goes out of force.</summary>
    public DateTimeOffset? NextChange(DateTimeOffset now) =>
        Whitelist.Rules.SelectMany(rule => new[] { rule.ValidFrom, rule.ValidUntil }).Where(time => time > now).Min();

    public UsbVerdict Judge(UsbDeviceDescription device, DateTimeOffset now)
    {
        if (Whitelist.Rules.Count == 0)
        {
            return new UsbVerdict(device, Allowed: false, []);
        }

        var passes = new List<UsbPass>((device.Interfaces?.Count ?? 1) + 1);
        bool allowed = AskDeviceClass(device, now, passes) && AskInterfaces(device, now, passes);
        return new UsbVerdict(device, allowed, passes);
    }

    private bool AskDeviceClass(UsbDeviceDescription device, DateTimeOffset now, List<UsbPass> passes) =>
        device.DeviceClass is not { BaseClass: not (UsbClassCode.PerInterface or UsbClassCode.Miscellaneous) } own
        || Ask(device, null, own, now, passes);

    private bool AskInterfaces(UsbDeviceDescription device, DateTimeOffset now, List<UsbPass> passes)
    {
        if (device.Interfaces is not { } interfaces)
        {
            return Ask(device, null, null, now, passes);
        }

        bool maySkip = interfaces.Count > 1 && interfaces.Any(code => !code.IsNonBootHid);
        for (int index = 0; index < interfaces.Count; index++)
        {
            if (maySkip && interfaces[index].IsNonBootHid)
            {
                passes.Add(new UsbPass(index, interfaces[index], UsbPassResult.Skipped));
            }
            else if (!Ask(device, index, interfaces[index], now, passes))
            {
                return false;
            }
        }

        return true;
    }

    private bool Ask(UsbDeviceDescription device, int? index, UsbClassCode? code, DateTimeOffset now, List<UsbPass> passes)
    {
        int found = _index.FirstMatch(device, code, now);
        UsbRule? rule = found < 0 ? null : Whitelist.Rules[found];
        UsbPassResult result = rule switch
        {
            null => UsbPassResult.NoRule,
            { Allow: true } => UsbPassResult.Allowed,
            _ => UsbPassResult.Denied,
        };
        passes.Add(new UsbPass(index, code, result, rule, rule is null ? null : found + 1));
        return result == UsbPassResult.Allowed;
    }
}
