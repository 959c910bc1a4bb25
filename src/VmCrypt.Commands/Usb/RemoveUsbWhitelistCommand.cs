using System.Management.Automation;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Commands.Usb;

/// <summary>Takes a list away, or single rules out of it.</summary>
[Cmdlet(VerbsCommon.Remove, "UsbWhitelist", SupportsShouldProcess = true)]
public sealed class RemoveUsbWhitelistCommand : UsbListCmdlet
{
    /// <summary>Take out the allowing rules that name these devices; the list stays.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("Id")]
    [ValidateNotNullOrEmpty]
    public string[] Device { get; set; } = [];

    /// <summary>Take out the rules with these numbers, counted from 1; the list stays.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int[] Number { get; set; } = [];

    private protected override void Process()
    {
        foreach (string? list in Lists)
        {
            Attempt(NameOf(list), () => Remove(list));
        }
    }

    private void Remove(string? list)
    {
        if (Device.Length > 0 || Number.Length > 0)
        {
            RemoveRules(list);
        }
        else if (Shell.ShouldProcess(NameOf(list), "Remove the USB whitelist") && !Run(async token => await Store.RemoveAsync(list, token)))
        {
            throw Missing(list, "no list");
        }
    }

    private void RemoveRules(string? list)
    {
        string what = string.Join(", ", [.. Device, .. Number.Select(number => $"rule {number}")]);
        if (!Shell.ShouldProcess(NameOf(list), $"Remove USB rules: {what}"))
        {
            return;
        }

        (ushort? Vendor, ushort? Product)[] devices = [.. Device.Select(Parse)];
        int removed = 0;
        _ = Run(async token => await Store.ChangeAsync(list, rules => Without(rules, devices, out removed), token));
        if (removed == 0)
        {
            throw Missing(list, $"no rule for {what}");
        }
    }

    private UsbRule[] Without(IReadOnlyList<UsbRule> rules, (ushort? Vendor, ushort? Product)[] devices, out int removed)
    {
        UsbRule[] left = [.. rules.Where((rule, index) => !Number.Contains(index + 1) && !(rule.Allow && devices.Contains((rule.VendorId, rule.ProductId))))];
        removed = rules.Count - left.Length;
        return left;
    }

    private static (ushort? Vendor, ushort? Product) Parse(string device) =>
        UsbRuleText.WithDevice(new UsbRule { Allow = true }, device) is { VendorId: { } vendor } rule
            ? (vendor, rule.ProductId)
            : throw new InvalidInputException(ErrorIds.UsbDeviceInvalid, $"'{device}' names no device; it has the form 048d:1169 or 048d:*.");

    private static MissingException Missing(string? list, string what) =>
        new(ErrorIds.UsbWhitelistMissing, list is null ? $"The default list has {what}." : $"The VM {list} has {what} of its own.");
}
