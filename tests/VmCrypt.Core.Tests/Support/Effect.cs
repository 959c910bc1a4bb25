using VmCrypt.Core.Block;

namespace VmCrypt.Core.Tests.Support;

/// <summary>One call that changed a device, or made its changes durable.</summary>
internal abstract record Effect(IBlockDevice Device);

internal sealed record WriteEffect(IBlockDevice Device, long Offset, byte[] Bytes) : Effect(Device)
{
    public override string ToString() => $"write {Bytes.Length} bytes at {Offset}";
}

internal sealed record ZeroEffect(IBlockDevice Device, long Offset, long Count, ZeroFlags Flags) : Effect(Device)
{
    public override string ToString() => $"zero {Count} bytes at {Offset} ({Flags})";
}

internal sealed record TrimEffect(IBlockDevice Device, long Offset, long Count) : Effect(Device)
{
    public override string ToString() => $"trim {Count} bytes at {Offset}";
}

internal sealed record SetLengthEffect(IBlockDevice Device, long Length) : Effect(Device)
{
    public override string ToString() => $"set length to {Length}";
}

internal sealed record FlushEffect(IBlockDevice Device) : Effect(Device)
{
    public override string ToString() => "flush";
}

/// <summary>What happened, in order; one log may serve several devices, so that the order across them is known.</summary>
internal sealed class EffectLog
{
    private readonly Lock _lock = new();
    private readonly List<Effect> _effects = [];

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _effects.Count;
            }
        }
    }

    public IReadOnlyList<Effect> Effects
    {
        get
        {
            lock (_lock)
            {
                return [.. _effects];
            }
        }
    }

    public void Add(Effect effect)
    {
        lock (_lock)
        {
            _effects.Add(effect);
        }
    }
}
