using VmCrypt.Core.Block;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption;

/// <summary>Headers beside an image, in memory; what changes the shelf counts as one effect of the plan.</summary>
internal sealed class MemoryShelf : IHeaderShelf
{
    private readonly Dictionary<HeaderStage, MemoryDevice> _headers = [];

    /// <summary>When the machine stops; null for never.</summary>
    public CrashPlan? Plan { get; set; }

    /// <summary>Stands between a header and who opens it.</summary>
    public Func<IBlockDevice, IBlockDevice> Wrap { get; set; } = device => device;

    public MemoryDevice? Active => _headers.GetValueOrDefault(HeaderStage.Active);

    /// <summary>A shelf with the active header alone, or empty.</summary>
    public static MemoryShelf With(MemoryDevice? active)
    {
        var shelf = new MemoryShelf();
        if (active is not null)
        {
            shelf._headers.Add(HeaderStage.Active, active);
        }

        return shelf;
    }

    public bool Has(HeaderStage stage) => _headers.ContainsKey(stage);

    public async ValueTask CreateAsync(HeaderStage stage, long length, Func<IBlockDevice, ValueTask> fill, CancellationToken cancellationToken)
    {
        var device = new MemoryDevice(length);
        await fill(Wrap(device));
        Plan?.Spend();
        _headers.Add(stage, device);
    }

    public ValueTask<IBlockDevice> OpenAsync(HeaderStage stage, CancellationToken cancellationToken) =>
        new(Wrap(_headers[stage]));

    public void Promote()
    {
        Plan?.Spend();
        _headers.Add(HeaderStage.Active, _headers[HeaderStage.Prepared]);
        _headers.Remove(HeaderStage.Prepared);
    }

    public void Delete(HeaderStage stage)
    {
        Plan?.Spend();
        _headers.Remove(stage);
    }
}
