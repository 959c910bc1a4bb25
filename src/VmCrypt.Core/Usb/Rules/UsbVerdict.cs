namespace VmCrypt.Core.Usb.Rules;

/// <summary>What one pass over the rules came to.</summary>
public enum UsbPassResult
{
    Allowed,

    /// <summary>The first rule that matches denies.</summary>
    Denied,

    /// <summary>No rule matches, which denies.</summary>
    NoRule,

    /// <summary>A HID interface that no firmware boots from, beside other interfaces: not asked.</summary>
    Skipped,
}

/// <summary>One pass over the rules: for the device's own class, or for one of its interfaces.</summary>
/// <param name="Interface">Index of the interface; null for the device's own class.</param>
/// <param name="Class">Null where the channel does not show it.</param>
/// <param name="RuleNumber">Place of <paramref name="Rule"/> in the list, from 1.</param>
public sealed record UsbPass(int? Interface, UsbClassCode? Class, UsbPassResult Result, UsbRule? Rule = null, int? RuleNumber = null)
{
    public override string ToString() => $"{Subject} {Outcome}";

    private string Subject => (Interface, Class) switch
    {
        (int index, { } code) => $"interface {index} ({code})",
        (null, { } code) => $"the device class ({code})",
        _ => "the device, whose interfaces are not known here,",
    };

    private string Outcome => Result switch
    {
        UsbPassResult.Allowed => $"is allowed by rule {RuleNumber} ({Rule})",
        UsbPassResult.Denied => $"is denied by rule {RuleNumber} ({Rule})",
        UsbPassResult.Skipped => "is a HID function beside others and not asked",
        _ => "matches no rule, which denies",
    };
}

/// <summary>Whether a device may be had, and why.</summary>
/// <param name="Passes">In the order asked; the last one decided if the device is denied.</param>
public sealed record UsbVerdict(UsbDeviceDescription Device, bool Allowed, IReadOnlyList<UsbPass> Passes)
{
    /// <summary>The pass that denied; null for an allowed device, and where the list is empty.</summary>
    public UsbPass? DeniedBy => Allowed || Passes.Count == 0 ? null : Passes[^1];

    /// <summary>One sentence for a person.</summary>
    public string Reason => (Allowed, Passes) switch
    {
        (false, []) => "the list is empty, which denies every device",
        (false, _) => Passes[^1].ToString(),
        (true, []) => "the device has neither a class of its own nor interfaces, so no rule is asked",
        _ => string.Join("; ", Passes.Select(pass => pass.ToString())),
    };

    public override string ToString() => $"{Device} is {(Allowed ? "allowed" : "denied")}: {Reason}.";
}
