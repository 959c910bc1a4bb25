using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Usb.Rules;

/// <summary>One line of a whitelist: devices (or interfaces) with these marks are allowed, or denied. A null field is a wildcard.</summary>
public sealed record UsbRule
{
    public const int MaxTextLength = 256;

    public required bool Allow { get; init; }

    public ushort? VendorId { get; init; }

    public ushort? ProductId { get; init; }

    /// <summary>bcdDevice: version 2.56 is 0x0256.</summary>
    public ushort? Version { get; init; }

    /// <summary>Class of the device or of an interface; each is asked in its turn.</summary>
    public byte? Class { get; init; }

    /// <summary>Has a meaning only beside <see cref="Class"/>.</summary>
    public byte? Subclass { get; init; }

    /// <summary>Has a meaning only beside <see cref="Subclass"/>.</summary>
    public byte? Protocol { get; init; }

    /// <summary>The serial number, with <c>*</c> and <c>?</c> as wildcards; "" asks for a device that has none.</summary>
    public string? Serial { get; init; }

    /// <summary>The port (<c>1-2.4</c>), with <c>*</c> and <c>?</c> as wildcards.</summary>
    public string? Port { get; init; }

    /// <summary>What a person calls it.</summary>
    public string? Label { get; init; }

    /// <summary>The rule is in force from here on.</summary>
    public DateTimeOffset? ValidFrom { get; init; }

    /// <summary>The rule is no longer in force from here on.</summary>
    public DateTimeOffset? ValidUntil { get; init; }

    public bool IsInForce(DateTimeOffset now) => !(now < ValidFrom) && !(now >= ValidUntil);

    /// <summary>The rule itself, once it is sound.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.UsbRuleInvalid"/>.</exception>
    public UsbRule Checked()
    {
        if ((Subclass is not null && Class is null) || (Protocol is not null && Subclass is null))
        {
            throw Invalid("names a subclass without its class, or a protocol without its subclass");
        }

        if (ValidFrom >= ValidUntil)
        {
            throw Invalid($"ends at {ValidUntil:O}, before it begins at {ValidFrom:O}");
        }

        foreach (string? text in new[] { Serial, Port, Label })
        {
            if (text is not null && (text.Length > MaxTextLength || text.Any(char.IsControl)))
            {
                throw Invalid($"has a serial, port or label with control characters or more than {MaxTextLength} characters");
            }
        }

        return this;
    }

    /// <summary>The rule in the language of <see cref="UsbRuleText"/>.</summary>
    public override string ToString() => UsbRuleText.Format(this);

    private InvalidInputException Invalid(string defect) => new(ErrorIds.UsbRuleInvalid, $"The USB rule '{this}' {defect}.");
}
