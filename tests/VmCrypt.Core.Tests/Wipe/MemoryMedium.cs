using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Engine;
using VmCrypt.Core.Wipe.Patterns;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Core.Tests.Wipe;

/// <summary>A target in memory, with a word in every write and read.</summary>
internal sealed class MemoryMedium(byte[] bytes, params ByteRange[] ranges) : IWipeMedium, IRunLedger
{
    private readonly Lock _gate = new();

    public static byte[] Seed { get; } = [.. Enumerable.Range(0, PassSequence.SeedSize).Select(i => (byte)i)];

    public byte[] Bytes => bytes;

    /// <summary>Sees each write before it happens.</summary>
    public Action<ByteRange> Writing { get; init; } = _ => { };

    public Action<ByteRange> Reading { get; init; } = _ => { };

    public Action Checking { get; init; } = () => { };

    public Action Saving { get; init; } = () => { };

    public int Flushes { get; private set; }

    public int Bypasses { get; private set; }

    /// <summary>What the last save holds; where a resumed run begins.</summary>
    public RunState Saved { get; private set; } = new();

    public IBlockDevice Device => new Watched(this);

    public int Unit => 512;

    public bool IsCached => false;

    public RangeMap Map { get; } = new(ranges.Length > 0 ? ranges : [new ByteRange(0, bytes.Length)]);

    public static PassSequence Sequence(string standard) => new(WipeStandards.BuiltIn[standard], SecretBuffer.CopyOf(Seed));

    public static PassSequence Sequence(params string[] passes) => new(
        new WipeStandard(new StandardRow { Name = "test", Title = "t", Passes = passes }, builtIn: false), SecretBuffer.CopyOf(Seed));

    /// <summary>What was there before.</summary>
    public static byte[] Garbage(int length)
    {
        byte[] bytes = new byte[length];
        new Random(7).NextBytes(bytes);
        return bytes;
    }

    /// <summary>What pass <paramref name="number"/> leaves.</summary>
    public static byte[] Content(PassSequence passes, int number, int length)
    {
        using PassContent content = passes.Open(number);
        byte[] bytes = new byte[length];
        content.Fill(0, bytes);
        return bytes;
    }

    public ValueTask BypassCacheAsync(CancellationToken cancellationToken)
    {
        Bypasses++;
        return ValueTask.CompletedTask;
    }

    public void CheckUnchanged() => Checking();

    public ValueTask SaveAsync(RunState state, CancellationToken cancellationToken)
    {
        Saving();
        Saved = state;
        return ValueTask.CompletedTask;
    }

    public WipeRun Run(PassSequence passes, RunOptions? options = null, RunState? from = null) =>
        new(this, passes, options ?? new RunOptions { SaveEvery = TimeSpan.Zero }, this, TimeProvider.System, from);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private sealed class Watched(MemoryMedium medium) : IBlockDevice
    {
        public long Length => medium.Bytes.Length;

        public BlockTraits Traits { get; } = new() { CanWrite = true };

        public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            medium.Reading(new ByteRange(offset, buffer.Length));
            lock (medium._gate)
            {
                medium.Bytes.AsSpan((int)offset, buffer.Length).CopyTo(buffer.Span);
            }

            return ValueTask.CompletedTask;
        }

        public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
        {
            lock (medium._gate)
            {
                medium.Writing(new ByteRange(offset, buffer.Length));
                buffer.Span.CopyTo(medium.Bytes.AsSpan((int)offset));
            }

            return ValueTask.CompletedTask;
        }

        public ValueTask FlushAsync(CancellationToken cancellationToken)
        {
            medium.Flushes++;
            return ValueTask.CompletedTask;
        }

        public ValueTask ZeroAsync(long offset, long count, ZeroFlags flags, CancellationToken cancellationToken) => throw Never();

        public ValueTask TrimAsync(long offset, long count, CancellationToken cancellationToken) => throw Never();

        public IAsyncEnumerable<Extent> ExtentsAsync(long offset, long count, CancellationToken cancellationToken) => throw Never();

        public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) => throw Never();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private static InvalidOperationException Never() => new("A pass is written, not zeroed or trimmed.");
    }
}

/// <summary>Sectors that fail.</summary>
internal static class BadSectors
{
    public static Action<ByteRange> At(params ByteRange[] bad) => io =>
    {
        if (bad.Any(range => range.Offset < io.End && io.Offset < range.End))
        {
            throw new DeviceFaultException(ErrorIds.DeviceIO, "Bad sector.");
        }
    };
}
