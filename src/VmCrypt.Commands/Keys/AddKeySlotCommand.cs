using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>Gives images one more passphrase or key.</summary>
[Cmdlet(VerbsCommon.Add, "KeySlot", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(KeySlot))]
public sealed class AddKeySlotCommand : KeySlotCmdlet
{
    private SecretBuffer? _unboundKey;

    /// <summary>The slot to fill; null for the first free one.</summary>
    [Parameter]
    [ValidateRange(0, 31)]
    public int? Slot { get; set; }

    /// <summary>The slot holds a key of its own, which does not open the image.</summary>
    [Parameter]
    public SwitchParameter Unbound { get; set; }

    /// <summary>Raw bytes; without it a random key.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? UnboundKeyFile { get; set; }

    /// <summary>Bits of a random key.</summary>
    [Parameter]
    public int? KeySize { get; set; }

    private protected override void Begin()
    {
        if (!Unbound && (UnboundKeyFile ?? (object?)KeySize) is not null)
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "-UnboundKeyFile and -KeySize describe the key of an -Unbound slot.");
        }

        if (Unbound && (ByToken || ByStore || GivenSecret() is not null || VolumeKeyFile is not null))
        {
            throw new InvalidInputException(ErrorIds.InvalidParameter, "An -Unbound slot is made without a key of the image; give only what is to open the slot.");
        }
    }

    private protected override void ProcessImage(DiskLocation location)
    {
        if (!Shell.ShouldProcess(location.Text, Unbound ? "Add a key slot with a key of its own" : "Add a key slot"))
        {
            return;
        }

        WriteChange(location, Unbound ? AddUnbound(location) : Add(location));
    }

    protected override void Dispose(bool disposing)
    {
        _unboundKey?.Dispose();
        base.Dispose(disposing);
    }

    private KeySlotChange Add(DiskLocation location)
    {
        using DiskKeys current = KeysFor(location);
        NewKeySlot added = NewSlot(Slot);
        DiskOpenOptions options = OpenOptions;
        return Change(
            location,
            token => KeySlots.AddAsync(location, options, current, added, token),
            (slots, disk, token) => slots.AddAsync(disk, current, added, token)).Change;
    }

    private KeySlotChange AddUnbound(DiskLocation location)
    {
        _unboundKey ??= UnboundKey();
        NewKeySlot added = NewSlot(Slot);
        return Run(token => KeySlots.AddUnboundAsync(location, OpenOptions, _unboundKey, added, token));
    }

    private SecretBuffer UnboundKey() => (UnboundKeyFile, KeySize) switch
    {
        ({ } path, null) => new KeyFile(Shell.ResolveNewPath(path), Offset: 0, Size: null).Read(),
        (null, { } bits and > 0) when bits % 8 == 0 => SecretBuffer.Random(bits / 8),
        (null, null) => SecretBuffer.Random(LuksFormatOptions.Default.KeySize),
        _ => throw new InvalidInputException(ErrorIds.InvalidParameter, "Give -UnboundKeyFile, or a -KeySize in bits that is a multiple of 8."),
    };
}
