using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Reencryption.Live;

/// <summary>The order of what is told to the journal and what the guest is allowed.</summary>
public sealed class LiveZoneTests : IAsyncDisposable
{
    private const int Zone = 4096;
    private const int Length = 2 * Zone;

    private readonly RecordingDevice _data = new(new MemoryDevice(Length));
    private readonly Journal _journal;
    private readonly LiveDisk _live = new();

    public LiveZoneTests() => _journal = new Journal(_data);

    public async ValueTask DisposeAsync()
    {
        await _live.DisposeAsync();
        await _data.DisposeAsync();
    }

    [Fact]
    public async Task The_last_zone_is_the_guests_when_the_end_is_on_the_medium()
    {
        Task run = RunAsync();
        IBlockDevice disk = await _live.Ready;
        await _journal.Finishing.Task.WaitAsync(Sample.Token);

        await disk.WriteAsync(0, new byte[Zone], Sample.Token);
        Task last = disk.WriteAsync(Zone, new byte[Zone], Sample.Token).AsTask();
        Assert.False(last.IsCompleted);
        _journal.MayFinish.SetResult();

        await run;
        await last.WaitAsync(TimeSpan.FromSeconds(60), Sample.Token);
    }

    [Fact]
    public async Task What_is_summed_up_is_on_the_medium()
    {
        _journal.MayFinish.SetResult();

        await RunAsync();

        Assert.Equal([true, true], _journal.WasFlushed);
    }

    private async Task RunAsync()
    {
        var protection = new ZoneProtection(ReencryptionResilience.Checksum, HashKind.Sha256, 512, area: 65536);
        ZoneGate gate = _live.Attach(_data, _journal.Plan, Length, Cipher());
        using var run = new PayloadReencryption(
            _data, _journal, new PayloadReencryption.Payload(Length, new ZoneMap(_data, _journal.Plan, leaveHoles: false), Cipher(), protection), Zone, gate);
        await run.RunAsync(null, Sample.Token);
    }

    private static PayloadCipher Cipher() =>
        new(PayloadSide.Plain, new PayloadSide(SectorCipher.Create(CipherSpec.Parse("aes-cbc-plain64"), new byte[16], 512), 0));

    private sealed class Journal(RecordingDevice data) : IZoneJournal
    {
        public IZonePlan Plan { get; } = new Qcow2ZonePlan(ReencryptionMode.Encrypt);

        public TaskCompletionSource Finishing { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource MayFinish { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Of each zone whose checksums came: the data's last effect was a flush.</summary>
        public List<bool> WasFlushed { get; } = [];

        public PayloadPosition Position(long length) => new(0);

        public ValueTask BeginAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask ProtectAsync(ReadOnlyMemory<byte> record)
        {
            WasFlushed.Add(data.Effects is [.., FlushEffect]);
            return ValueTask.CompletedTask;
        }

        public ValueTask ReadProtectionAsync(long offset, Memory<byte> record, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask CommitAsync(long length, PayloadPosition position) => ValueTask.CompletedTask;

        public async ValueTask FinishAsync(long length)
        {
            Finishing.SetResult();
            await MayFinish.Task;
        }
    }
}
