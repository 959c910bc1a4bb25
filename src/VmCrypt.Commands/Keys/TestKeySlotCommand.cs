using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>Says whether a passphrase or key opens images.</summary>
[Cmdlet(VerbsDiagnostic.Test, "KeySlot", DefaultParameterSetName = "Path")]
[OutputType(typeof(bool))]
public sealed class TestKeySlotCommand : UnlockingCmdlet
{
    /// <summary>The only slot to try.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateRange(0, 31)]
    public int? Slot { get; set; }

    private protected override void ProcessImage(DiskLocation location)
    {
        int? opened = ByToken ? FindByToken(location) : FindBySecret(location);
        if (opened is { } slot)
        {
            Shell.WriteVerbose($"{location}: key slot {slot}");
        }

        Shell.WriteObject(opened is not null);
    }

    private int? FindBySecret(DiskLocation location)
    {
        SecretBuffer secret = RequireSecret();
        return Run(token => KeySlots.FindAsync(location, OpenOptions, secret, Slot, token));
    }

    private int? FindByToken(DiskLocation location)
    {
        try
        {
            using DiskKeys keys = KeysFor(location, Slot);
            return keys.Slot;
        }
        catch (WrongKeyException)
        {
            return null;
        }
    }
}
