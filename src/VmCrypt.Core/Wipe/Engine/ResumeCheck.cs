using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Patterns;

namespace VmCrypt.Core.Wipe.Engine;

/// <summary>Looks at a target, before a stopped run goes on, for what the run before has left there.</summary>
/// <remarks>
/// A disk that was put to use again since then must not be called erased because most of an old journal is done. A sample
/// finds what is a few per cent of the disk or more; what is smaller is found by the verification, which still has to come,
/// or overwritten by the passes that do.
/// </remarks>
internal static class ResumeCheck
{
    // Seconds on a disk that has to move its head for each.
    private const int Samples = 512;

    private const int Sector = 512;

    /// <exception cref="RefusedException"><see cref="ErrorIds.WipeTargetWritten"/>.</exception>
    public static async Task RunAsync(IWipeMedium medium, PassSequence passes, RunState state, CancellationToken cancellationToken)
    {
        if (state.Pass > passes.Count)
        {
            return;
        }

        // After its last save the run before has gone on, into later passes even where they are short.
        long written = state.Verifying ? medium.Map.TotalBytes : state.Position;
        PassContent[] contents = [.. Enumerable.Range(state.Pass, passes.Count - state.Pass + 1).Select(passes.Open)];
        PassContent[] before = state.Pass > 1 ? [passes.Open(state.Pass - 1)] : [];
        try
        {
            await LookAsync(medium, 0, written, state, contents, cancellationToken);
            if (before.Length > 0)
            {
                await LookAsync(medium, written, medium.Map.TotalBytes, state, [.. before, .. contents], cancellationToken);
            }
        }
        finally
        {
            Array.ForEach([.. before, .. contents], content => content.Dispose());
        }
    }

    /// <param name="contents">Each sector must hold one of these.</param>
    private static async Task LookAsync(
        IWipeMedium medium, long from, long to, RunState state, PassContent[] contents, CancellationToken cancellationToken)
    {
        long units = (to / medium.Unit) - (from / medium.Unit);
        using var buffer = new AlignedBuffer(medium.Unit);
        // In order, so that a disk's head moves one way.
        foreach (long unit in Choose(units).Select(unit => (from / medium.Unit) + unit))
        {
            Chunk chunk = medium.Map.ChunksFrom(unit * medium.Unit, medium.Unit).First();
            Memory<byte> bytes = buffer.Memory[..chunk.Length];
            bool exists = chunk.Offset + chunk.Length <= medium.Device.Length;
            if (exists && !IsListed(state, chunk) && await TryReadAsync(medium, chunk, bytes, cancellationToken) && !AllHold(chunk, bytes.Span, contents))
            {
                throw new RefusedException(ErrorIds.WipeTargetWritten,
                    $"At byte {chunk.Offset} the target does not hold what the stopped wipe has left there: somebody has written to it since; start anew to wipe all of it.");
            }
        }
    }

    private static IEnumerable<long> Choose(long units) => units <= Samples
        ? Enumerable.Range(0, (int)Math.Max(0, units)).Select(unit => (long)unit)
        : Enumerable.Range(0, Samples).Select(_ => Random.Shared.NextInt64(units)).Order();

    private static bool AllHold(Chunk chunk, ReadOnlySpan<byte> bytes, PassContent[] contents)
    {
        for (int at = 0; at < bytes.Length; at += Sector)
        {
            ReadOnlySpan<byte> sector = bytes[at..Math.Min(at + Sector, bytes.Length)];
            if (!Holds(contents, chunk.Offset + at, sector))
            {
                return false;
            }
        }

        return true;
    }

    private static bool Holds(PassContent[] contents, long offset, ReadOnlySpan<byte> sector)
    {
        foreach (PassContent content in contents)
        {
            if (content.FirstDifference(offset, sector) < 0)
            {
                return true;
            }
        }

        return false;
    }

    // What the run before could not write or read, or has found changed, is known already.
    private static bool IsListed(RunState state, Chunk chunk) => new[] { state.Unwritable, state.Unreadable, state.Mismatched }.Any(list =>
        list.IsCut || list.Ranges.Any(range => range.Offset < chunk.Offset + chunk.Length && chunk.Offset < range.End));

    private static async Task<bool> TryReadAsync(IWipeMedium medium, Chunk chunk, Memory<byte> bytes, CancellationToken cancellationToken)
    {
        try
        {
            await medium.Device.ReadAsync(chunk.Offset, bytes, cancellationToken);
            return true;
        }
        catch (DeviceFaultException fault) when (fault.ErrorId == ErrorIds.DeviceIO)
        {
            return false;
        }
    }
}
