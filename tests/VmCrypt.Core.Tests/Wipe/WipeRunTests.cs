using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Patterns;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Core.Tests.Wipe;

public sealed class WipeRunTests
{
    private const int Length = (5 << 20) + 4096;

    private static readonly CancellationToken s_ct = CancellationToken.None;

    public static TheoryData<string> Standards() => [.. WipeStandards.BuiltIn.All.Where(standard => standard.Passes.Count > 0).Select(standard => standard.Name)];

    [Theory]
    [MemberData(nameof(Standards))]
    public async Task Every_pass_of_every_standard_reaches_every_byte_in_order(string standard)
    {
        const int small = (1 << 20) + 8192;
        using PassSequence passes = MemoryMedium.Sequence(standard);
        byte[] counts = new byte[small / 512];
        var medium = new MemoryMedium(MemoryMedium.Garbage(small)) { Writing = io => Count(counts, io) };
        var order = new List<string>();

        WipeRun run = medium.Run(passes, new RunOptions { Verify = VerifyMode.AllPasses });
        await run.RunAsync(new Listener(progress => order.Add(progress.Detail!.Split(',')[0])), s_ct);

        Assert.Equal(medium.Bytes, MemoryMedium.Content(passes, passes.Count, small));
        Assert.All(counts, count => Assert.Equal(passes.Count, count));
        Assert.Equal(passes.Count, run.State.Passes.Length);
        Assert.All(run.State.Passes, pass => Assert.Equal((small, small), (pass.WrittenBytes, pass.VerifiedBytes)));
        Assert.Equal((0, 0, 0), (run.State.Unwritable.Bytes, run.State.Unreadable.Bytes, run.State.Mismatched.Bytes));
        Assert.Equal(Enumerable.Range(1, passes.Count).SelectMany(i => new[] { "writing", "verifying" }.Select(verb =>
            $"pass {i} of {passes.Count}: {verb} {passes.Describe(i)}")), order.Distinct());
    }

    [Fact]
    public async Task Holes_stay_as_they_are()
    {
        byte[] before = MemoryMedium.Garbage(Length);
        using PassSequence passes = MemoryMedium.Sequence("DoD");
        var medium = new MemoryMedium([.. before], new ByteRange(4096, 8192), new ByteRange((1 << 20) - 4096, 12288), new ByteRange(4 << 20, 4096));

        await medium.Run(passes).RunAsync(null, s_ct);

        byte[] expected = before;
        byte[] content = MemoryMedium.Content(passes, 3, Length);
        foreach (ByteRange range in medium.Map.Ranges)
        {
            content.AsSpan((int)range.Offset, (int)range.Length).CopyTo(expected.AsSpan((int)range.Offset));
        }

        Assert.Equal(expected, medium.Bytes);
        Assert.Equal(8192 + 12288 + 4096, medium.Map.TotalBytes);
    }

    [Theory]
    [MemberData(nameof(Standards))]
    public async Task A_run_that_dies_anywhere_is_finished_by_the_next_with_the_same_bytes(string standard)
    {
        const int small = 3 << 20;
        var random = new Random(standard.Sum(letter => letter));
        using PassSequence passes = MemoryMedium.Sequence(standard);
        byte[] counts = new byte[small / 512];
        int left = 0;
        var medium = new MemoryMedium(MemoryMedium.Garbage(small))
        {
            Writing = io =>
            {
                // The plug is pulled: this write is lost, and so is everything after it.
                if (left-- <= 0)
                {
                    throw new DeviceFaultException(ErrorIds.DeviceReadOnly, "The machine has stopped.");
                }

                Count(counts, io);
            },
        };

        int runs = 0;
        while (medium.Saved.Pass <= passes.Count)
        {
            runs++;
            left = random.Next(1, 8);
            try
            {
                await medium.Run(passes, new RunOptions { Verify = VerifyMode.AllPasses, SaveEvery = TimeSpan.Zero }, medium.Saved).RunAsync(null, s_ct);
            }
            catch (DeviceFaultException fault)
            {
                Assert.Equal(ErrorIds.DeviceReadOnly, fault.ErrorId);
                Assert.True(runs < 400, "no headway");
            }
        }

        Assert.Equal(MemoryMedium.Content(passes, passes.Count, small), medium.Bytes);
        Assert.All(counts, count => Assert.True(count >= passes.Count));
        Assert.Equal(0, medium.Saved.Mismatched.Bytes);
    }

    [Fact]
    public async Task A_stop_saves_what_was_done()
    {
        // More chunks than the workers can have in hand, and slow enough that none of them does all while another sleeps.
        const int length = 64 << 20;
        using PassSequence passes = MemoryMedium.Sequence("Random");
        using var stop = new CancellationTokenSource();
        var medium = new MemoryMedium(MemoryMedium.Garbage(length))
        {
            Writing = part =>
            {
                if (part.Offset == 0)
                {
                    stop.Cancel();
                }
            },
        };

        WipeRun run = medium.Run(passes, new RunOptions { SaveEvery = TimeSpan.FromHours(1), BytesPerSecond = length });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run.RunAsync(null, stop.Token));

        long position = medium.Saved.Position;
        Assert.InRange(position, 1, length - 1);
        Assert.True(MemoryMedium.Content(passes, 1, length).AsSpan(0, (int)position).SequenceEqual(medium.Bytes.AsSpan(0, (int)position)));
        Assert.True(medium.Flushes > 0);
    }

    [Fact]
    public async Task A_sample_reads_the_ends_and_about_a_tenth()
    {
        const int chunks = 200;
        using PassSequence passes = MemoryMedium.Sequence("Zero");
        var read = new HashSet<long>();
        var medium = new MemoryMedium(MemoryMedium.Garbage(chunks << 20))
        {
            Reading = io =>
            {
                lock (passes)
                {
                    read.Add(io.Offset >> 20);
                }
            },
        };

        WipeRun run = medium.Run(passes, new RunOptions { Verify = VerifyMode.Sample });
        await run.RunAsync(null, s_ct);

        Assert.Contains(0, read);
        Assert.Contains(chunks - 1, read);
        Assert.InRange(read.Count, 8, 40);
        Assert.Equal((long)read.Count << 20, run.State.Passes[0].VerifiedBytes);
    }

    [Fact]
    public async Task A_target_that_changes_stops_the_run()
    {
        using PassSequence passes = MemoryMedium.Sequence("DoD");
        int checks = 0;
        var medium = new MemoryMedium(MemoryMedium.Garbage(Length))
        {
            Checking = () =>
            {
                if (++checks == 2)
                {
                    throw new DeviceFaultException(ErrorIds.WipeTargetChanged, "It grew.");
                }
            },
        };

        var error = await Assert.ThrowsAsync<DeviceFaultException>(() => medium.Run(passes).RunAsync(null, s_ct));

        Assert.Equal(ErrorIds.WipeTargetChanged, error.ErrorId);
    }

    [Fact]
    public async Task A_journal_that_cannot_be_written_does_not_stop_a_wipe()
    {
        using PassSequence passes = MemoryMedium.Sequence("Zero");
        var medium = new MemoryMedium(MemoryMedium.Garbage(Length)) { Saving = () => throw new DeviceFaultException(ErrorIds.DiskFull, "Full.") };

        WipeRun run = medium.Run(passes);
        await run.RunAsync(null, s_ct);

        Assert.Equal(new byte[Length], medium.Bytes);
        Assert.Equal(ErrorIds.DiskFull, run.LedgerFault!.ErrorId);
    }

    [Fact]
    public async Task A_throttle_holds_the_rate()
    {
        using PassSequence passes = MemoryMedium.Sequence("Zero");
        var medium = new MemoryMedium(MemoryMedium.Garbage(Length));

        WipeRun run = medium.Run(passes, new RunOptions { Verify = VerifyMode.None, BytesPerSecond = 10 << 20 });
        await run.RunAsync(null, s_ct);

        // Five chunks of a tenth of a second each, of which the first four start together at the earliest moment their turn comes.
        Assert.InRange(run.State.Passes[0].WriteSeconds, 0.35, 5);
    }

    [Fact]
    public async Task Who_waits_for_a_run_does_not_go_on_in_a_thread_of_its_workers()
    {
        using PassSequence passes = MemoryMedium.Sequence("Zero");
        var workers = new HashSet<int>();
        var medium = new MemoryMedium(MemoryMedium.Garbage(Length)) { Writing = _ => workers.Add(Environment.CurrentManagedThreadId) };

        await medium.Run(passes, new RunOptions { Verify = VerifyMode.None }).RunAsync(null, s_ct);

        Assert.DoesNotContain(Environment.CurrentManagedThreadId, workers);
    }

    private static void Count(byte[] counts, ByteRange io)
    {
        foreach (ref byte count in counts.AsSpan((int)(io.Offset / 512), (int)(io.Length / 512)))
        {
            count++;
        }
    }

    private sealed class Listener(Action<JobProgress> heard) : IProgress<JobProgress>
    {
        public void Report(JobProgress value)
        {
            lock (this)
            {
                heard(value);
            }
        }
    }
}
