using VmCrypt.Core.Block;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Tests.Luks;

namespace VmCrypt.Core.Tests.Reencryption.Live;

/// <summary>The last steps of a conversion in a container: room is freed, overwritten and cut off while a guest gives room back and wants some.</summary>
public sealed class ContainedEndTests
{
    [Theory]
    [InlineData("unprotect vhdx wiped")]
    [InlineData("unprotect vhd wiped")]
    public async Task What_the_guest_writes_to_new_room_stays(string name)
    {
        DiskConversion conversion = await DiskConversion.CreateAsync(name);
        await conversion.BeginAsync();
        var guest = new Guest(conversion);
        await using (LiveConversion live = await conversion.StartLiveAsync(device => new WatchedDevice(device, guest)))
        {
            guest.Begin(live);
            await live.Completion;
            await guest.EndAsync();
        }

        Assert.NotEqual(0, guest.Writes);
        await conversion.VerifyAsync();
    }

    [Fact]
    public async Task Who_wants_to_be_alone_waits_for_requests_and_they_for_him()
    {
        var gate = new ZoneGate();
        var range = new PayloadZone(0, 4096);
        var changed = new TaskCompletionSource();
        GuestHold early = await gate.EnterAsync(range, writes: false, Sample.Token);
        Task alone = gate.RunAloneAsync(range, () => new ValueTask(changed.Task), Sample.Token).AsTask();
        Task<GuestHold> late = gate.EnterAsync(range, writes: false, Sample.Token).AsTask();
        Assert.False(late.IsCompleted);

        changed.SetResult();
        Assert.False(alone.IsCompleted);
        early.Dispose();
        await alone;
        (await late).Dispose();
    }

    [Fact]
    public async Task What_fails_alone_leaves_the_disk_in_use()
    {
        var gate = new ZoneGate();
        var range = new PayloadZone(0, 4096);

        await Assert.ThrowsAsync<IOException>(() => gate.RunAloneAsync(range, () => throw new IOException(), Sample.Token).AsTask());

        (await gate.EnterAsync(range, writes: true, Sample.Token)).Dispose();
    }

    /// <summary>Now trims a block, now writes to it, once all is converted.</summary>
    private sealed class Guest(DiskConversion conversion)
    {
        private readonly TaskCompletionSource<LiveConversion> _live = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly AsyncLocal<bool> _isAtWork = new();
        private readonly Random _random = new(5);
        private Task _step = Task.CompletedTask;
        private bool _isOver;

        public int Writes { get; private set; }

        public void Begin(LiveConversion live) => _live.SetResult(live);

        public Task EndAsync()
        {
            _isOver = true;
            return _step;
        }

        /// <summary>Called before each effect that the conversion has on the file.</summary>
        /// <param name="isZone">The disk is ready, or is about to be.</param>
        /// <param name="isCut">The file is about to be cut off.</param>
        public async ValueTask TakeTurnAsync(bool isZone, bool isCut)
        {
            if (_isAtWork.Value || _isOver)
            {
                return;
            }

            if (isZone)
            {
                await _live.Task;
            }

            if (_live.Task.IsCompleted && await _live.Task is { Percent: 100 } live && _step.IsCompletedSuccessfully)
            {
                _step = StepAsync(live.Disk, trims: !isCut && _random.Next(2) == 0);
            }
        }

        private async Task StepAsync(IBlockDevice disk, bool trims)
        {
            _isAtWork.Value = true;
            if (trims)
            {
                await disk.TrimAsync(conversion.Block, conversion.Block, Sample.Token);
                await disk.FlushAsync(Sample.Token);
                conversion.Plain.AsSpan(conversion.Block, conversion.Block).Clear();
                return;
            }

            byte[] fresh = new byte[4096];
            _random.NextBytes(fresh);
            int at = conversion.Block + (_random.Next(8) * fresh.Length);
            await disk.WriteAsync(at, fresh, Sample.Token);
            fresh.CopyTo(conversion.Plain, at);
            Writes++;
        }
    }

    private sealed class WatchedDevice(IBlockDevice inner, Guest guest) : FilterDevice(inner)
    {
        public override async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
        {
            await guest.TakeTurnAsync(isZone: buffer.Length >= 32 << 10, isCut: false);
            await base.WriteAsync(offset, buffer, cancellationToken);
        }

        public override async ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
        {
            await guest.TakeTurnAsync(isZone: false, isCut: length < Length);
            await base.SetLengthAsync(length, cancellationToken);
        }
    }
}
