using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Tests.Images.Qcow2;

public sealed class GuestRangeLockTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Disjoint_ranges_do_not_wait()
    {
        var ranges = new GuestRangeLock();
        using GuestRangeLock.Hold first = await ranges.EnterAsync(0, 4, Token);
        ValueTask<GuestRangeLock.Hold> second = ranges.EnterAsync(5, 9, Token);

        Assert.True(second.IsCompletedSuccessfully);
        (await second).Dispose();
    }

    [Fact]
    public async Task Overlapping_ranges_wait_their_turn_and_are_not_overtaken()
    {
        var ranges = new GuestRangeLock();
        GuestRangeLock.Hold first = await ranges.EnterAsync(0, 4, Token);
        Task<GuestRangeLock.Hold> second = ranges.EnterAsync(4, 8, Token).AsTask();
        Task<GuestRangeLock.Hold> third = ranges.EnterAsync(8, 9, Token).AsTask();
        Assert.False(second.IsCompleted);
        Assert.False(third.IsCompleted);

        first.Dispose();
        GuestRangeLock.Hold held = await second.WaitAsync(TimeSpan.FromSeconds(60), Token);
        Assert.False(third.IsCompleted);
        held.Dispose();
        (await third.WaitAsync(TimeSpan.FromSeconds(60), Token)).Dispose();
    }

    [Fact]
    public async Task Who_gives_up_waiting_blocks_nobody()
    {
        var ranges = new GuestRangeLock();
        GuestRangeLock.Hold first = await ranges.EnterAsync(0, 4, Token);
        using var giveUp = new CancellationTokenSource();
        Task<GuestRangeLock.Hold> second = ranges.EnterAsync(4, 8, giveUp.Token).AsTask();
        Task<GuestRangeLock.Hold> third = ranges.EnterAsync(8, 9, Token).AsTask();

        await giveUp.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        (await third.WaitAsync(TimeSpan.FromSeconds(60), Token)).Dispose();
        first.Dispose();
    }
}
