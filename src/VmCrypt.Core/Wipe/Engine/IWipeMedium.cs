using VmCrypt.Core.Block;

namespace VmCrypt.Core.Wipe.Engine;

/// <summary>What the engine needs of an opened target. Disposing it closes the device.</summary>
internal interface IWipeMedium : IAsyncDisposable
{
    /// <summary>Where the passes are written and read back; takes whole units.</summary>
    IBlockDevice Device { get; }

    /// <summary>Bytes of the smallest piece that can fail alone: the sector, or the page where the page cache is in between.</summary>
    int Unit { get; }

    /// <summary>Writes are copies into the page cache, which takes them one at a time.</summary>
    bool IsCached { get; }

    /// <summary>What the passes cover, in whole units.</summary>
    RangeMap Map { get; }

    /// <summary>Makes sure that reads from now on come from the medium.</summary>
    ValueTask BypassCacheAsync(CancellationToken cancellationToken);

    /// <exception cref="Errors.DeviceFaultException"><see cref="Errors.ErrorIds.WipeTargetChanged"/>: it grew, shrank or is another one now.</exception>
    void CheckUnchanged();
}
