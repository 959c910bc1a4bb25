using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Patterns;

namespace VmCrypt.Core.Tests.Wipe;

/// <summary>What a run leaves when it dies, and what others may have made of it since.</summary>
public sealed class ResumeCheckTests
{
    private static readonly CancellationToken s_ct = CancellationToken.None;

    [Theory]
    [MemberData(nameof(WipeRunTests.Standards), MemberType = typeof(WipeRunTests))]
    public async Task What_a_stopped_run_has_left_is_recognised_wherever_it_stopped(string standard)
    {
        const int small = (2 << 20) + 4096;
        using PassSequence passes = MemoryMedium.Sequence(standard);
        var random = new Random(standard.Sum(letter => letter));
        for (int round = 0; round < 5; round++)
        {
            int left = random.Next(1, passes.Count * 3);
            int toNextSave = random.Next(3);
            var medium = new MemoryMedium(MemoryMedium.Garbage(small))
            {
                Writing = _ => Die(left-- <= 0, ErrorIds.DeviceReadOnly),
                Saving = () => Die(toNextSave-- <= 0, ErrorIds.DiskFull),
            };

            await Assert.ThrowsAsync<DeviceFaultException>(() => medium.Run(passes).RunAsync(null, s_ct));
            await ResumeCheck.RunAsync(medium, passes, medium.Saved, s_ct);
        }
    }

    [Theory]
    [InlineData(1, true, 0, 4096)]
    [InlineData(2, false, 0, 4096)]
    [InlineData(2, false, 2 << 20, 512)]
    [InlineData(3, false, 512, 2 << 20)]
    public async Task What_somebody_has_written_since_is_not_passed_over(int pass, bool verifying, int at, int length)
    {
        const int small = 3 << 20;
        const int position = 1 << 20;
        using PassSequence passes = MemoryMedium.Sequence("DoD");
        byte[] bytes = MemoryMedium.Content(passes, pass, small);
        if (!verifying)
        {
            MemoryMedium.Content(passes, pass - 1, small).AsSpan(position).CopyTo(bytes.AsSpan(position));
        }

        // The ranges are so small that the sample takes all of them in.
        var medium = new MemoryMedium(bytes, new ByteRange(0, 64 * 512), new ByteRange(2 << 20, 64 * 512));
        var state = new RunState { Pass = pass, Verifying = verifying, Position = 64 * 512 };
        await ResumeCheck.RunAsync(medium, passes, state, s_ct);

        MemoryMedium.Garbage(length).CopyTo(medium.Bytes.AsSpan(at));
        var refusal = await Assert.ThrowsAsync<RefusedException>(() => ResumeCheck.RunAsync(medium, passes, state, s_ct));
        Assert.Equal(ErrorIds.WipeTargetWritten, refusal.ErrorId);

        // What was known to be bad is no surprise.
        await ResumeCheck.RunAsync(medium, passes, state with { Unwritable = new DefectList(small, [new ByteRange(0, small)]) }, s_ct);
    }

    [Fact]
    public async Task A_saved_position_never_runs_ahead_of_the_bytes_that_the_report_counts()
    {
        using PassSequence passes = MemoryMedium.Sequence("Random");
        var medium = new MemoryMedium(MemoryMedium.Garbage(16 << 20));
        var ledger = new Ledger(state => Assert.True(state.Passes[^1].WrittenBytes >= (state.Verifying ? 0 : state.Position)));

        await new WipeRun(medium, passes, new RunOptions { SaveEvery = TimeSpan.Zero }, ledger, TimeProvider.System).RunAsync(null, s_ct);

        Assert.True(ledger.Saves > 2);
    }

    private static void Die(bool now, string errorId)
    {
        if (now)
        {
            throw new DeviceFaultException(errorId, "The machine has stopped.");
        }
    }

    private sealed class Ledger(Action<RunState> saving) : IRunLedger
    {
        public int Saves { get; private set; }

        public ValueTask SaveAsync(RunState state, CancellationToken cancellationToken)
        {
            Saves++;
            saving(state);
            return ValueTask.CompletedTask;
        }
    }
}
