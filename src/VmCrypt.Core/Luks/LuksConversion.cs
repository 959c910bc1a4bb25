namespace VmCrypt.Core.Luks;

/// <summary>A header's way to the other version of LUKS, found to be possible.</summary>
/// <remarks>Only the header changes: the payload, its volume key and all passphrases stay.</remarks>
public abstract class LuksConversion
{
    private protected LuksConversion()
    {
    }

    /// <summary>What the header becomes.</summary>
    public abstract LuksVersion Target { get; }

    /// <summary>What the other version has no place for, a sentence each.</summary>
    public virtual IReadOnlyList<string> Losses => [];

    /// <summary>Converts the header and opens it anew; the object that planned this is of no use afterwards.</summary>
    /// <exception cref="Errors.DeviceBusyException"><see cref="Errors.ErrorIds.LuksHeaderChanged"/>.</exception>
    /// <exception cref="Errors.DeviceFaultException"><see cref="Errors.ErrorIds.LuksHeaderNotStored"/>.</exception>
    public abstract ValueTask<LuksHeader> RunAsync(CancellationToken cancellationToken);
}
