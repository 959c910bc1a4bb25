using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Keys;

/// <summary>What the destruction of an image's key slots came to.</summary>
/// <param name="Path">The image.</param>
/// <param name="DetachedHeader">Where its header lies if not in the image.</param>
/// <param name="SlotsDestroyed">Slots that held a key.</param>
/// <param name="SlotsOverwritten">Slots whose key material was overwritten, in use or not.</param>
/// <param name="StillOpens">What may open the data all the same.</param>
public sealed record RemovedHeader(
    string Path, string? DetachedHeader, LuksVersion Version, string Uuid, int SlotsDestroyed, int SlotsOverwritten, KeyCopy[] StillOpens);

/// <summary>An image whose key slots are to be destroyed; it stays open, and locked for others, until this is disposed.</summary>
/// <remarks>The header itself stays, without slots, so that one can see what the disk was.</remarks>
public sealed class HeaderRemoval : IAsyncDisposable
{
    private readonly DiskStack _disk;
    private readonly DiskOpenOptions _options;

    private HeaderRemoval(DiskStack disk, DiskOpenOptions options, KeyCopy[] stillOpens)
    {
        _disk = disk;
        _options = options;
        StillOpens = stillOpens;
    }

    public LuksVersion Version => _disk.Luks!.Version;

    public string Uuid => _disk.Luks!.Uuid;

    /// <summary>Slots in use.</summary>
    public IReadOnlyList<int> Slots => [.. _disk.Luks!.Slots.Where(slot => slot.IsActive).Select(slot => slot.Number)];

    public KeyCopy[] StillOpens { get; }

    /// <summary>Looks at the image and at what lies beside it; writes nothing.</summary>
    public static async ValueTask<HeaderRemoval> PlanAsync(DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        options = options with { Writable = true, HeadersOnly = true };
        DiskStack disk = await DiskStack.OpenAsync(location, options, cancellationToken);
        try
        {
            return new HeaderRemoval(disk, options, await KeyCopies.FindAsync(disk, options, cancellationToken));
        }
        catch
        {
            await disk.DisposeAsync();
            throw;
        }
    }

    /// <summary>Destroys the slots, as <see cref="LuksHeader.EraseAsync"/> does; once begun it is finished.</summary>
    /// <exception cref="Errors.DeviceFaultException"><see cref="Errors.ErrorIds.KeyMaterialNotErased"/>.</exception>
    public async ValueTask<RemovedHeader> RunAsync(CancellationToken cancellationToken)
    {
        LuksErasure erased = await _disk.Luks!.EraseAsync(cancellationToken);
        return new RemovedHeader(
            _disk.Location.Text, _options.HeaderPath, Version, Uuid, erased.SlotsDestroyed, erased.SlotsOverwritten, StillOpens);
    }

    public ValueTask DisposeAsync() => _disk.DisposeAsync();
}
