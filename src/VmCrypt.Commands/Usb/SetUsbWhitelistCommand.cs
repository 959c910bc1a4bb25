using System.Management.Automation;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Commands.Usb;

/// <summary>Says which USB devices a VM may have.</summary>
[Cmdlet(VerbsCommon.Set, "UsbWhitelist", SupportsShouldProcess = true)]
[OutputType(typeof(UsbList))]
public sealed class SetUsbWhitelistCommand : UsbListCmdlet
{
    private readonly Dictionary<string, (string? List, List<UsbRule> Rules)> _rules = [];
    private bool _wrong;

    /// <summary>Devices to allow, as vendor:product.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("Id")]
    [ValidateNotNullOrEmpty]
    public string[] Device { get; set; } = [];

    /// <summary>Rules of any language: the whitelist's own, usbredir filters, libvirt's usbdev elements, USBGuard's lines.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string[] Rule { get; set; } = [];

    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string? Serial { get; set; }

    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string? Port { get; set; }

    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("Product")]
    public string? Label { get; set; }

    /// <summary>The rule for a device from the pipeline also asks for its serial number.</summary>
    [Parameter]
    public SwitchParameter MatchSerial { get; set; }

    /// <summary>The rule for a device from the pipeline also asks for its port.</summary>
    [Parameter]
    public SwitchParameter MatchPort { get; set; }

    /// <summary>Deny the devices of <see cref="Device"/>.</summary>
    [Parameter]
    public SwitchParameter Deny { get; set; }

    [Parameter]
    public DateTime? ValidFrom { get; set; }

    [Parameter]
    public DateTime? ValidUntil { get; set; }

    /// <summary>Keep the list's rules and put these behind them.</summary>
    [Parameter]
    public SwitchParameter Append { get; set; }

    /// <summary>Keep the list's rules and put these before them.</summary>
    [Parameter]
    public SwitchParameter Prepend { get; set; }

    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private protected override void Begin()
    {
        if (Append && Prepend)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "Choose one of -Append and -Prepend.");
        }
    }

    private protected override void Process()
    {
        // A list with half of its rules is not what was asked for: one wrong rule, and nothing is changed.
        bool wrongBefore = _wrong;
        _wrong = true;
        UsbRule[] rules = [.. Device.Select(DeviceRule), .. Rule.SelectMany(Read).Select(WithWindow)];
        foreach (string? list in Lists)
        {
            string key = UsbListFile.NameOf(list);
            if (!_rules.TryGetValue(key, out (string? List, List<UsbRule> Rules) known))
            {
                _rules.Add(key, known = (list, []));
            }

            known.Rules.AddRange(rules);
        }

        _wrong = wrongBefore;
    }

    private protected override void End()
    {
        if (_wrong)
        {
            throw new InvalidInputException(ErrorIds.UsbRuleInvalid, "No list is changed, for not every rule can be used.");
        }

        foreach ((string? list, List<UsbRule> rules) in _rules.Values)
        {
            Attempt(NameOf(list), () => Change(list, rules));
        }
    }

    private void Change(string? list, List<UsbRule> rules)
    {
        string action = Append || Prepend ? "Add USB rules" : "Set the USB rules";
        if (!Shell.ShouldProcess(NameOf(list), $"{action}: {(rules.Count == 0 ? "none" : string.Join("; ", rules))}"))
        {
            return;
        }

        UsbWhitelist stored = Run(async token => await Store.ChangeAsync(
            list, known => Append ? [.. known, .. rules] : Prepend ? [.. rules, .. known] : rules, token));
        if (PassThru)
        {
            Shell.WriteObject(UsbList.From(stored));
        }
    }

    private UsbRule DeviceRule(string device)
    {
        // Here, unlike in Test-UsbDevice, a wildcard for the product makes sense.
        UsbRule rule = UsbRuleText.WithDevice(new UsbRule { Allow = !Deny }, device)
            ?? throw new InvalidInputException(ErrorIds.UsbDeviceInvalid, $"'{device}' names no device; it has the form 048d:1169 or 048d:*.");
        return WithWindow(rule with
        {
            Label = string.IsNullOrEmpty(Label) ? null : Label,
            Serial = MatchSerial ? Serial is null ? throw Unknown(device, "serial number") : UsbGlob.Escape(Serial) : null,
            Port = MatchPort ? Port is null ? throw Unknown(device, "port") : UsbGlob.Escape(Port) : null,
        });
    }

    private UsbRule WithWindow(UsbRule rule) => (rule with
    {
        ValidFrom = ValidFrom is { } from ? new DateTimeOffset(from) : rule.ValidFrom,
        ValidUntil = ValidUntil is { } until ? new DateTimeOffset(until) : rule.ValidUntil,
    }).Checked();

    private static InvalidInputException Unknown(string device, string what) =>
        new(ErrorIds.InvalidParameter, $"The {what} of {device} is not known; give it, or leave out the switch that asks for it.");
}
