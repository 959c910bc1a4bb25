using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Patterns;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Core.Tests.Wipe;

/// <summary>Media that fail, here and there or as a whole.</summary>
public sealed class DefectTests
{
    private const int Length = (5 << 20) + 4096;

    private static readonly CancellationToken s_ct = CancellationToken.None;

    [Fact]
    public async Task Bad_sectors_are_narrowed_down_listed_and_passed_over()
    {
        using PassSequence passes = MemoryMedium.Sequence("DoD");
        byte[] before = MemoryMedium.Garbage(Length);
        var bad = new ByteRange[] { new(512, 512), new((1 << 20) - 512, 1024), new(Length - 512, 512) };
        var medium = new MemoryMedium([.. before]) { Writing = BadSectors.At(bad) };

        WipeRun run = medium.Run(passes, new RunOptions { Verify = VerifyMode.None });
        await run.RunAsync(null, s_ct);

        byte[] expected = MemoryMedium.Content(passes, 3, Length);
        foreach (ByteRange range in bad)
        {
            before.AsSpan((int)range.Offset, (int)range.Length).CopyTo(expected.AsSpan((int)range.Offset));
        }

        Assert.Equal(expected, medium.Bytes);
        Assert.Equal(bad, run.State.Unwritable.Ranges);
        Assert.Equal(2048, run.State.Unwritable.Bytes);
    }

    [Fact]
    public async Task A_sector_that_fails_once_is_written_on_the_next_try()
    {
        using PassSequence passes = MemoryMedium.Sequence("Zero");
        int failures = 0;
        var medium = new MemoryMedium(MemoryMedium.Garbage(Length))
        {
            Writing = io =>
            {
                if (io.Offset <= 8192 && io.End > 8192 && failures++ < 12)
                {
                    throw new DeviceFaultException(ErrorIds.DeviceIO, "Weak sector.");
                }
            },
        };

        WipeRun run = medium.Run(passes);
        await run.RunAsync(null, s_ct);

        Assert.Equal(new byte[Length], medium.Bytes);
        Assert.Empty(run.State.Unwritable.Ranges);
    }

    [Fact]
    public async Task A_dead_medium_ends_the_run()
    {
        const long large = 1L << 40;
        using PassSequence passes = MemoryMedium.Sequence("Zero");
        var medium = new MemoryMedium([], new ByteRange(0, large)) { Writing = BadSectors.At(new ByteRange(0, large)) };

        var error = await Assert.ThrowsAsync<DeviceFaultException>(() => medium.Run(passes, new RunOptions { MaxBadBytes = 1 << 18 }).RunAsync(null, s_ct));

        Assert.Equal(ErrorIds.WipeMediumFailing, error.ErrorId);
    }

    [Fact]
    public async Task Verification_finds_what_it_cannot_read_and_what_differs()
    {
        using PassSequence passes = MemoryMedium.Sequence("Random");
        byte[] bytes = MemoryMedium.Garbage(Length);
        bool spoilt = false;
        var medium = new MemoryMedium(bytes)
        {
            Reading = io =>
            {
                if (!spoilt)
                {
                    spoilt = true;
                    bytes[70_000] ^= 1;
                    bytes[^1] ^= 0x80;
                }

                BadSectors.At(new ByteRange(4096, 512))(io);
            },
        };

        WipeRun run = medium.Run(passes);
        await run.RunAsync(null, s_ct);

        Assert.Equal([new ByteRange(4096, 512)], run.State.Unreadable.Ranges);
        Assert.Equal([new ByteRange(69_632, 512), new ByteRange(Length - 512, 512)], run.State.Mismatched.Ranges);
        Assert.Equal(1, medium.Bypasses);
    }

    [Fact]
    public async Task A_medium_that_forgets_everything_is_found_out_without_listing_all_of_it()
    {
        using PassSequence passes = MemoryMedium.Sequence("Random");
        byte[] bytes = MemoryMedium.Garbage(Length);
        var medium = new MemoryMedium(bytes) { Reading = _ => Array.Clear(bytes) };

        WipeRun run = medium.Run(passes);
        await run.RunAsync(null, s_ct);

        Assert.Equal(Length, run.State.Mismatched.Bytes);
        Assert.InRange(run.State.Mismatched.Ranges.Length, 1, Defects.MaxListed);
    }
}
