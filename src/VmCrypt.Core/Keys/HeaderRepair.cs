using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Keys;

/// <summary>A LUKS header that was looked at for damage; the image stays open, and locked for others, until this is disposed.</summary>
public sealed class HeaderRepair : IAsyncDisposable
{
    private readonly HeaderPlace _place;

    private HeaderRepair(HeaderPlace place, LuksHeader header)
    {
        _place = place;
        Version = header.Version;
        Damage = header.Facts.DamagedCopy;
    }

    public LuksVersion Version { get; }

    /// <summary>What is wrong with one of the two copies of a LUKS2 header; null where there is nothing to do.</summary>
    public VmCryptException? Damage { get; }

    /// <summary>Looks at the header; writes nothing.</summary>
    /// <exception cref="InvalidImageException">No copy of the header is good: only a backup helps.</exception>
    public static async ValueTask<HeaderRepair> PlanAsync(DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        HeaderPlace place = await HeaderPlace.OpenAsync(location, options with { Writable = true }, cancellationToken);
        try
        {
            return new HeaderRepair(place, place.Header ?? throw place.Damage ?? DiskStack.NoKeySlots(location, EncryptionPlacement.None));
        }
        catch
        {
            await place.DisposeAsync();
            throw;
        }
    }

    /// <summary>Writes the damaged copy anew from the good one.</summary>
    public async ValueTask RunAsync(CancellationToken cancellationToken) => await _place.Header!.RepairAsync(cancellationToken);

    public ValueTask DisposeAsync() => _place.DisposeAsync();
}
