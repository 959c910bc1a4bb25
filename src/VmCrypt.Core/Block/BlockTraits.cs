namespace VmCrypt.Core.Block;

/// <summary>What a device can do; fixed while it is open.</summary>
public sealed record BlockTraits
{
    public required bool CanWrite { get; init; }

    /// <summary>Zeroing is cheaper than writing zeros.</summary>
    public bool CanZeroFast { get; init; }

    public bool CanTrim { get; init; }

    public bool CanResize { get; init; }

    /// <summary>Bytes (a power of two) to which offsets and counts must be aligned; 1 where any will do.</summary>
    public int RequiredAlignment { get; init; } = 1;

    /// <summary>Bytes (a power of two) in which the device works best.</summary>
    public int PreferredBlock { get; init; } = 4096;
}

[Flags]
public enum ZeroFlags
{
    None = 0,

    /// <summary>Do not punch holes: later writes to the range must not fail for want of space.</summary>
    KeepAllocated = 1,

    /// <summary>Throw <see cref="Errors.ErrorIds.ZeroNotFast"/> instead of writing zeros one by one.</summary>
    OnlyIfFast = 2,
}

public enum ExtentKind
{
    /// <summary>Stored bytes, whatever they are.</summary>
    Data,

    /// <summary>Reads as zeros and is backed by storage (or by a marker that hides what lies below).</summary>
    Zero,

    /// <summary>Reads as zeros (or from the backing image, for a layer alone) and has no storage.</summary>
    Hole,
}

/// <summary>A run of bytes of one kind; offset and length in bytes.</summary>
public readonly record struct Extent(long Offset, long Length, ExtentKind Kind)
{
    public long End => Offset + Length;

    /// <summary>The part that lies in [start, end); of length 0 where there is none.</summary>
    public Extent Clip(long start, long end)
    {
        long from = Math.Clamp(Offset, start, end);
        return new Extent(from, Math.Clamp(End, from, end) - from, Kind);
    }
}
