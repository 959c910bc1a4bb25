using VmCrypt.Commands.Host;

namespace VmCrypt.Commands.Tests.Host;

public sealed class PipelinePumpTests
{
    [Fact]
    public void Does_what_the_job_posts_on_the_pipeline_thread()
    {
        using var pump = new PipelinePump();
        var threads = new List<int>();

        int result = pump.Run(
            async token =>
            {
                for (int i = 0; i < 10; i++)
                {
                    await Task.Delay(1, token);
                    pump.Post(() => threads.Add(Environment.CurrentManagedThreadId));
                }

                return 42;
            },
            TestContext.Current.CancellationToken);

        Assert.Equal(42, result);
        Assert.Equal(Enumerable.Repeat(Environment.CurrentManagedThreadId, 10), threads);
    }

    [Fact]
    public void Returns_after_a_stop_only_when_the_job_has_ended()
    {
        using var pump = new PipelinePump();
        using var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        bool ended = false;

        Assert.ThrowsAny<OperationCanceledException>(() => pump.Run<int>(
            async token =>
            {
                try
                {
                    await Task.Delay(Timeout.Infinite, token);
                    return 0;
                }
                finally
                {
                    await Task.Delay(100, CancellationToken.None);
                    ended = true;
                }
            },
            stop.Token));

        Assert.True(ended);
    }

    [Fact]
    public void Cancels_and_joins_the_job_when_the_pipeline_refuses_what_was_posted()
    {
        using var pump = new PipelinePump();
        bool ended = false;

        Assert.Throws<InvalidOperationException>(() => pump.Run<int>(
            async token =>
            {
                pump.Post(() => throw new InvalidOperationException("the pipeline is closed"));
                try
                {
                    await Task.Delay(Timeout.Infinite, token);
                    return 0;
                }
                finally
                {
                    ended = true;
                }
            },
            TestContext.Current.CancellationToken));

        Assert.True(ended);
    }

    [Fact]
    public void Hands_on_what_the_job_throws()
    {
        using var pump = new PipelinePump();
        Assert.Throws<NotSupportedException>(() => pump.Run<int>(
            _ => Task.FromException<int>(new NotSupportedException()), TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Posting_after_the_end_has_no_effect()
    {
        using var pump = new PipelinePump();
        _ = pump.Run(_ => Task.FromResult(0), TestContext.Current.CancellationToken);
        pump.Post(() => throw new InvalidOperationException());
    }
}
