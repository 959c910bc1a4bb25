using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb;
using VmCrypt.Core.Usb.Lists;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Commands.Usb;

/// <summary>Says whether a VM may have a USB device, and why.</summary>
[Cmdlet(VerbsDiagnostic.Test, "UsbDevice")]
[OutputType(typeof(UsbAnswer), typeof(bool))]
public sealed class TestUsbDeviceCommand : VmCryptCmdlet
{
    /// <summary>The VM's name or UUID; without it, the default list is asked.</summary>
    [Parameter(Position = 0)]
    [Alias("VMName")]
    [ValidateNotNullOrEmpty]
    public string? Vm { get; set; }

    /// <summary>Vendor and product: 048d:1169.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [Alias("Id")]
    [ValidateNotNullOrEmpty]
    public string[] Device { get; set; } = [];

    /// <summary>Class, subclass and protocol of the device itself, as 00:00:00.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string? Class { get; set; }

    /// <summary>The same of each interface; what is not given counts as not shown, which never helps the device.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string[] Interface { get; set; } = [];

    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string? Version { get; set; }

    /// <summary>"" for a device that has none.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string? Serial { get; set; }

    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string? Port { get; set; }

    /// <summary>Judge by these rules instead of a list that is stored.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] Rule { get; set; } = [];

    /// <summary>The moment to judge at; now without it.</summary>
    [Parameter]
    public DateTime? At { get; set; }

    /// <summary>Answer with true or false alone.</summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    private protected override void Process()
    {
        (UsbRuleSet rules, string list) = Rules();
        foreach (string device in Device)
        {
            UsbVerdict verdict = rules.Judge(Describe(device), At is { } at ? new DateTimeOffset(at) : DateTimeOffset.Now);
            Shell.WriteObject(Quiet ? verdict.Allowed : Answer(verdict, list));
        }
    }

    private UsbAnswer Answer(UsbVerdict verdict, string list)
    {
        UsbPass? decisive = verdict.DeniedBy ?? verdict.Passes.LastOrDefault(pass => pass.Rule is not null);
        return new UsbAnswer(
            Vm, verdict.Device.Id, verdict.Allowed, verdict.Reason, list, decisive?.Rule?.ToString(), decisive?.RuleNumber,
            [.. verdict.Passes.Select(pass => pass.ToString())]);
    }

    // The list that counts for the VM: its own, else the default list, else none.
    private (UsbRuleSet Rules, string List) Rules()
    {
        if (Rule.Length > 0)
        {
            return (new UsbRuleSet(new UsbWhitelist { Rules = [.. Rule.SelectMany(text => Core.Usb.Languages.UsbLanguages.Parse(text).Rules)] }), "given");
        }

        var store = new UsbWhitelistStore(ConfigurationFolder.Default);
        Run(token => new ValueTask(store.SynchroniseAsync(token)));
        UsbWhitelist? own = Vm is null ? null : Run(async token => await store.FindAsync(Vm, token));
        UsbWhitelist? found = own ?? Run(async token => await store.FindAsync(null, token));
        return found is null ? (UsbRuleSet.DenyAll, "none") : (new UsbRuleSet(found), found.Vm ?? "default");
    }

    private UsbDeviceDescription Describe(string device) => UsbDeviceDescription.Parse(device) with
    {
        DeviceClass = Class is null ? null : UsbClassCode.Parse(Class),
        Interfaces = Interface.Length == 0 ? null : [.. Interface.Select(UsbClassCode.Parse)],
        Version = Version is null ? null
            : UsbVersion.TryParse(Version, out ushort version) ? version
            : throw new InvalidInputException(ErrorIds.UsbDeviceInvalid, $"'{Version}' is no version; it has the form 2.56."),
        Serial = Serial,
        Port = Port,
    };
}
