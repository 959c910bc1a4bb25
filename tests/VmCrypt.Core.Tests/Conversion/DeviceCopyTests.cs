using VmCrypt.Core.Block;
using VmCrypt.Core.Conversion;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Conversion;

public sealed class DeviceCopyTests
{
    private const int Size = (3 * DeviceCopy.PieceSize) + 12345;

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task Copies_every_byte(int workers)
    {
        byte[] content = Content();
        await using var source = new MemoryDevice(content, writable: false);
        await using var target = new MemoryDevice(Size);

        CopyResult result = await CopyAsync(source, target, new CopyOptions { Parallelism = workers, TargetReadsAsZeros = true });

        Assert.Equal(content, target.ToArray());
        Assert.Equal(Size, result.CopiedBytes + result.ZeroBytes);
        Assert.True(result.ZeroBytes >= DeviceCopy.PieceSize, $"only {result.ZeroBytes} bytes were seen to be zero");
    }

    [Fact]
    public async Task Writes_no_zeros_to_a_target_that_has_them()
    {
        await using var target = new RecordingDevice(new MemoryDevice(Size));

        await CopyAsync(new MemoryDevice(Content(), writable: false), target, new CopyOptions { TargetReadsAsZeros = true });

        Assert.DoesNotContain(target.Effects, effect => effect is ZeroEffect);
    }

    [Fact]
    public async Task Zeroes_what_an_old_target_held()
    {
        byte[] old = new byte[Size];
        Array.Fill(old, (byte)0xAA);
        await using var target = new MemoryDevice(old);

        await CopyAsync(new MemoryDevice(Content(), writable: false), target, new CopyOptions());

        Assert.Equal(Content(), target.ToArray());
    }

    [Fact]
    public async Task Reports_progress_up_to_the_end()
    {
        var progress = new Listener();

        await DeviceCopy.CopyAsync(new MemoryDevice(Content(), writable: false), new MemoryDevice(Size), new CopyOptions(), progress, default);

        Assert.Equal(Size, progress.Heard.Max(report => report.DoneBytes));
        Assert.All(progress.Heard, report => Assert.Equal(Size, report.TotalBytes));
    }

    [Fact]
    public async Task Refuses_a_target_that_is_too_small()
    {
        var error = await Assert.ThrowsAsync<InvalidInputException>(
            async () => await CopyAsync(new MemoryDevice(Size), new MemoryDevice(Size - 1), new CopyOptions()));
        Assert.Equal(ErrorIds.OutOfRange, error.ErrorId);
    }

    [Fact]
    public async Task A_failing_write_ends_all_workers_before_it_is_thrown()
    {
        var plan = new CrashPlan(1);
        await using var target = new CrashDevice(new MemoryDevice(Size), plan);

        await Assert.ThrowsAsync<CrashException>(
            async () => await CopyAsync(new MemoryDevice(Content(), writable: false), target, new CopyOptions { Parallelism = 4 }));
        Assert.True(plan.Crashed);
    }

    [Fact]
    public async Task A_cancelled_copy_says_so()
    {
        using var cancel = new CancellationTokenSource();
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await DeviceCopy.CopyAsync(
            new MemoryDevice(Content(), writable: false), new MemoryDevice(Size), new CopyOptions(), null, cancel.Token));
    }

    private static ValueTask<CopyResult> CopyAsync(IBlockDevice source, IBlockDevice target, CopyOptions options) =>
        DeviceCopy.CopyAsync(source, target, options, null, TestContext.Current.CancellationToken);

    private static byte[] Content()
    {
        byte[] content = new byte[Size];
        var random = new Random(3);
        random.NextBytes(content.AsSpan(70_000, 500_000));
        random.NextBytes(content.AsSpan(Size - 100));
        return content;
    }

    private sealed class Listener : IProgress<JobProgress>
    {
        private readonly Lock _gate = new();

        public List<JobProgress> Heard { get; } = [];

        public void Report(JobProgress value)
        {
            lock (_gate)
            {
                Heard.Add(value);
            }
        }
    }
}
