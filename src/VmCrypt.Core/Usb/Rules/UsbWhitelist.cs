namespace VmCrypt.Core.Usb.Rules;

/// <summary>The USB devices that one VM may have: rules in their order, the first that matches decides, no match denies.</summary>
public sealed record UsbWhitelist
{
    /// <summary>Name or UUID of the VM; null for the list of VMs that have none of their own.</summary>
    public string? Vm { get; init; }

    public IReadOnlyList<UsbRule> Rules { get; init; } = [];

    /// <summary>The rules in force at one moment, without their windows of time.</summary>
    public UsbWhitelist At(DateTimeOffset now) =>
        this with { Rules = [.. Rules.Where(rule => rule.IsInForce(now)).Select(rule => rule with { ValidFrom = null, ValidUntil = null })] };

    /// <summary>Allows nothing.</summary>
    public static UsbWhitelist Empty { get; } = new();
}
