using VmCrypt.Core.Nbd;

namespace VmCrypt.Core.Tests.Nbd;

public sealed class NbdBufferPoolTests
{
    private const int Unit = 1 << 20;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Whoever_wants_more_than_is_left_waits_until_some_comes_back()
    {
        var waits = new TaskCompletionSource();
        using var pool = new NbdBufferPool(4 * Unit, TimeSpan.FromMilliseconds(1), () => waits.TrySetResult());
        NbdBuffer[] held = [.. Enumerable.Range(0, 4).Select(_ => pool.Rent(Unit))];

        Task<NbdBuffer> waiting = Task.Run(() => pool.Rent(2 * Unit), Token);
        await waits.Task.WaitAsync(TimeSpan.FromSeconds(20), Token);
        pool.Return(held[0]);
        Assert.False(waiting.IsCompleted);
        Assert.Equal(3 * Unit, pool.Lent);
        pool.Return(held[1]);

        Assert.Equal(2 * Unit, (await waiting.WaitAsync(TimeSpan.FromSeconds(20), Token)).Length);
        Assert.Equal(4 * Unit, pool.Lent);
    }

    [Fact]
    public void Buffers_that_are_kept_make_room_for_other_sizes()
    {
        using var pool = new NbdBufferPool(4 * Unit, TimeSpan.FromDays(1));
        NbdBuffer[] small = [.. Enumerable.Range(0, 4).Select(_ => pool.Rent(Unit))];
        Array.ForEach(small, pool.Return);

        NbdBuffer large = pool.Rent(4 * Unit);

        Assert.Equal(4 * Unit, pool.Lent);
        pool.Return(large);
        Assert.Equal(0, pool.Lent);
        Assert.Equal(100, pool.Rent(100).Length);
    }

    [Fact]
    public void One_request_always_gets_its_memory()
    {
        using var pool = new NbdBufferPool(Unit, TimeSpan.FromDays(1));

        Assert.Equal(32 * Unit, pool.Rent(32 * Unit).Length);
    }

    [Fact]
    public async Task Nobody_is_kept_waiting_when_the_server_stops()
    {
        var waits = new TaskCompletionSource();
        var pool = new NbdBufferPool(Unit, TimeSpan.FromMilliseconds(1), () => waits.TrySetResult());
        _ = pool.Rent(Unit);
        Task<NbdBuffer> waiting = Task.Run(() => pool.Rent(Unit), Token);
        await waits.Task.WaitAsync(TimeSpan.FromSeconds(20), Token);

        pool.Dispose();

        Assert.Equal(Unit, (await waiting.WaitAsync(TimeSpan.FromSeconds(20), Token)).Length);
    }

    [Fact]
    public void Plaintext_is_wiped_when_the_server_stops()
    {
        var pool = new NbdBufferPool();
        NbdBuffer kept = pool.Rent(4096);
        NbdBuffer lent = pool.Rent(4096);
        kept.Data.Span.Fill(7);
        lent.Data.Span.Fill(7);
        pool.Return(kept);

        pool.Dispose();
        pool.Return(lent);

        Assert.Equal(-1, kept.Data.Span.IndexOf((byte)7));
        Assert.Equal(-1, lent.Data.Span.IndexOf((byte)7));
    }
}
