namespace VmCrypt.Core.Errors;

public static partial class ErrorIds
{
    /// <summary>The text is no USB rule, or a field of a rule contradicts another.</summary>
    public const string UsbRuleInvalid = nameof(UsbRuleInvalid);

    /// <summary>The rule is valid in its own language but has a condition that a whitelist cannot keep.</summary>
    public const string UsbRuleUntranslatable = nameof(UsbRuleUntranslatable);

    /// <summary>The text names no USB device.</summary>
    public const string UsbDeviceInvalid = nameof(UsbDeviceInvalid);

    /// <summary>The device's own descriptors break the rules of USB.</summary>
    public const string UsbDescriptorInvalid = nameof(UsbDescriptorInvalid);

    /// <summary>The text cannot be the name of a VM.</summary>
    public const string UsbVmNameInvalid = nameof(UsbVmNameInvalid);

    /// <summary>A usbredir peer breaks its protocol.</summary>
    public const string UsbredirInvalid = nameof(UsbredirInvalid);

    /// <summary>A peer of the usbredir proxy cannot be reached, or its address cannot be listened on.</summary>
    public const string UsbredirUnreachable = nameof(UsbredirUnreachable);

    /// <summary>The VM has no whitelist of its own, or no such rule in it.</summary>
    public const string UsbWhitelistMissing = nameof(UsbWhitelistMissing);

    /// <summary>No guard or proxy of that kind runs.</summary>
    public const string UsbServiceMissing = nameof(UsbServiceMissing);
}
