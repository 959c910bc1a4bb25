using VmCrypt.Core.Block;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Medium;

namespace VmCrypt.Core.Wipe.Targets;

/// <summary>Something that can be wiped, opened and looked at; nothing is changed before <see cref="PrepareAsync"/>.</summary>
internal abstract class WipeTarget : IWipeMedium
{
    public abstract MediumFacts Facts { get; }

    /// <summary>What the facts mean for the result.</summary>
    public abstract IReadOnlyList<WipeFinding> Findings { get; }

    /// <summary>Names this target and no other, also after a reboot; a journal is bound to it.</summary>
    public abstract string Identity { get; }

    /// <summary>Digest of what lies where; null where nobody tells.</summary>
    public virtual byte[]? PhysicalDigest => null;

    public abstract IBlockDevice Device { get; }

    public abstract int Unit { get; }

    public virtual bool IsCached => false;

    public abstract RangeMap Map { get; }

    /// <summary>The first change: makes the whole of the last block writable.</summary>
    public virtual ValueTask PrepareAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <summary>Compares with before, once all passes are through.</summary>
    public virtual IReadOnlyList<WipeFinding> Compare() => [];

    /// <summary>Undoes <see cref="PrepareAsync"/>, once nothing is to be gone on with.</summary>
    public virtual ValueTask RestoreAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <summary>The wipe can go on later, and needs what was made for it: the files that fill free space.</summary>
    public bool MustStay { get; set; }

    public abstract ValueTask BypassCacheAsync(CancellationToken cancellationToken);

    public abstract void CheckUnchanged();

    public virtual ValueTask DisposeAsync() => Device.DisposeAsync();

    protected static Errors.DeviceFaultException Changed(string path, string how) =>
        new(Errors.ErrorIds.WipeTargetChanged, $"'{path}' has changed while it was wiped: {how}.");
}
