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

    public bool Has(HeaderStage stage) => _headers.ContainsKey(stage);

    public async ValueTask CreateAsync(HeaderStage stage, long length, Func<IBlockDevice, ValueTask> fill, CancellationToken cancellationToken)
    {
        var device = new MemoryDevice(length);
        await fill(Plan is null ? device : new CrashDevice(device, Plan));
        Plan?.Spend();
        _headers.Add(stage, device);
    }

    public ValueTask<IBlockDevice> OpenAsync(HeaderStage stage, CancellationToken cancellationToken) =>
        new(Plan is null ? _headers[stage] : new CrashDevice(_headers[stage], Plan));

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
