using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Reencryption.Live;

namespace VmCrypt.Core.Tests.Reencryption.Live;

public sealed class ZoneGateTests
{
    private static readonly PayloadZone s_zone = new(4096, 8192);
    private static readonly PayloadZone s_beside = new(0, 4096);
    private static readonly PayloadZone s_across = new(0, 65536);

    private readonly ZoneGate _gate = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task While_a_zone_is_read_the_guest_reads_it_too_and_its_writes_wait()
    {
        ZoneClaim claim = await ClaimAsync();

        GuestHold read = await _gate.EnterAsync(s_across, writes: false, Token);
        using GuestHold write = await _gate.EnterAsync(s_beside, writes: true, Token);
        Task<GuestHold> waits = _gate.EnterAsync(s_across, writes: true, Token).AsTask();
        Assert.False(waits.IsCompleted);

        Task completed = _gate.CompleteAsync(claim);
        Assert.False(completed.IsCompleted);
        read.Dispose();
        await Soon(completed);
        (await Soon(waits)).Dispose();
        Assert.Equal((s_zone.Offset, false), _gate.PieceAt(0, s_across.End));
        Assert.Equal((s_zone.End, true), _gate.PieceAt(s_zone.Offset, s_across.End));
    }

    [Fact]
    public async Task A_zone_is_claimed_when_those_who_write_to_it_are_done()
    {
        GuestHold write = await _gate.EnterAsync(s_across, writes: true, Token);
        ZoneClaim claim = _gate.Claim();
        Task claimed = _gate.ExtendAsync(claim, s_zone, Token);
        Assert.False(claimed.IsCompleted);

        write.Dispose();

        await Soon(claimed);
    }

    [Fact]
    public async Task While_a_zone_is_overwritten_reads_wait_too()
    {
        ZoneClaim claim = await ClaimAsync();
        GuestHold before = await _gate.EnterAsync(s_zone, writes: false, Token);
        Task closed = _gate.CloseAsync(claim);
        Assert.False(closed.IsCompleted);
        Task<GuestHold> after = _gate.EnterAsync(s_across, writes: false, Token).AsTask();
        before.Dispose();
        await Soon(closed);
        Assert.False(after.IsCompleted);

        await _gate.CompleteAsync(claim);

        (await Soon(after)).Dispose();
    }

    [Fact]
    public async Task Where_the_conversion_stops_before_the_journal_is_told_the_zone_is_as_it_was()
    {
        ZoneClaim claim = await ClaimAsync();
        await _gate.CloseAsync(claim);
        Task<GuestHold> waits = _gate.EnterAsync(s_zone, writes: true, Token).AsTask();

        _gate.Stop(new OperationCanceledException());

        (await Soon(waits)).Dispose();
        Assert.Equal((s_across.End, false), _gate.PieceAt(0, s_across.End));
    }

    [Fact]
    public async Task Where_it_fails_after_that_nobody_gets_the_zone_and_everybody_the_rest()
    {
        await ClaimAsync();
        _gate.Engage();
        Task<GuestHold> waits = _gate.EnterAsync(s_zone, writes: true, Token).AsTask();

        _gate.Stop(new IOException("gone"));

        var waited = await Assert.ThrowsAsync<DeviceFaultException>(() => waits);
        var read = await Assert.ThrowsAsync<DeviceFaultException>(() => _gate.EnterAsync(s_across, writes: false, Token).AsTask());
        Assert.Equal((ErrorIds.DeviceIO, ErrorIds.DeviceIO), (waited.ErrorId, read.ErrorId));
        (await _gate.EnterAsync(s_beside, writes: true, Token)).Dispose();
    }

    [Fact]
    public async Task Who_gives_up_waiting_keeps_nobody_waiting()
    {
        ZoneClaim claim = await ClaimAsync();
        using var giveUp = new CancellationTokenSource();
        Task<GuestHold> waits = _gate.EnterAsync(s_zone, writes: true, giveUp.Token).AsTask();

        await giveUp.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waits);
        await Soon(_gate.CompleteAsync(claim));
    }

    [Theory]
    [InlineData(0, 4096)]
    [InlineData(4096, 4096)]
    [InlineData(8192, 8192)]
    [InlineData(0, 65536)]
    public void Ranges_that_touch_are_one(long offset, long length)
    {
        var ranges = new PayloadRanges();
        ranges.Add(new PayloadZone(12288, 4096));
        ranges.Add(new PayloadZone(4096, 4096));

        ranges.Add(new PayloadZone(offset, length));

        bool[] expected = [.. Enumerable.Range(0, 16).Select(page => page is 1 or 3 || (page >= offset / 4096 && page < (offset + length) / 4096))];
        var found = new List<bool>();
        for (long at = 0; at < 65536;)
        {
            (long end, bool inside) = ranges.PieceAt(at, 65536);
            Assert.True(found.Count == 0 || found[^1] != inside, "two pieces that are one");
            found.AddRange(Enumerable.Repeat(inside, (int)(end - at) / 4096));
            at = end;
        }

        Assert.Equal(expected, found);
    }

    private async Task<ZoneClaim> ClaimAsync()
    {
        ZoneClaim claim = _gate.Claim();
        await _gate.ExtendAsync(claim, s_zone, Token);
        return claim;
    }

    private static Task Soon(Task task) => task.WaitAsync(TimeSpan.FromSeconds(60), Token);

    private static Task<T> Soon<T>(Task<T> task) => task.WaitAsync(TimeSpan.FromSeconds(60), Token);
}
