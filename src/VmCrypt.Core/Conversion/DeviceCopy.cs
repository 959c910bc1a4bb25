using System.Security.Cryptography;
using System.Threading.Channels;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Conversion;

/// <summary>How <see cref="DeviceCopy"/> works.</summary>
public sealed record CopyOptions
{
    /// <summary>The target is new and reads as zeros, so that zeros need not be written to it.</summary>
    public bool TargetReadsAsZeros { get; init; }

    /// <summary>How many pieces are in flight at once; 0 chooses by the number of cores.</summary>
    public int Parallelism { get; init; }

    /// <summary>Bytes per second; 0 is unlimited.</summary>
    public long BytesPerSecond { get; init; }
}

/// <summary>What a copy did, in bytes.</summary>
public sealed record CopyResult(long CopiedBytes, long ZeroBytes);

/// <summary>Copies the content of one device to another: holes are skipped, runs of zeros stay sparse, memory is flat.</summary>
public static class DeviceCopy
{
    /// <summary>Bytes of one piece; large enough that per-call costs vanish, small enough that a few of them stay in the cache.</summary>
    internal const int PieceSize = 1024 * 1024;

    // Zeros are found at this grain: the cluster size of an ordinary qcow2 and a multiple of every file system's block.
    private const int ZeroGrain = 64 * 1024;

    /// <summary>Copies all of <paramref name="source"/>, then flushes; the target must be at least as long.</summary>
    /// <returns>How much was data and how much was not.</returns>
    public static async ValueTask<CopyResult> CopyAsync(
        IBlockDevice source, IBlockDevice target, CopyOptions options, IProgress<JobProgress>? progress, CancellationToken cancellationToken)
    {
        if (source.Length > target.Length)
        {
            throw new InvalidInputException(ErrorIds.OutOfRange,
                $"The source has {source.Length} bytes and does not fit into a target of {target.Length} bytes.");
        }

        int workers = options.Parallelism > 0 ? options.Parallelism : Math.Clamp(Environment.ProcessorCount, 2, 8);
        var job = new Job(source, target, options, progress);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var pieces = Channel.CreateBounded<Extent>(new BoundedChannelOptions(workers * 2) { SingleWriter = true });

        Task[] running = [job.PlanAsync(pieces.Writer, linked.Token), .. Enumerable.Range(0, workers).Select(_ => job.WorkAsync(pieces.Reader, linked.Token))];
        await JoinAsync(running, linked);
        await target.FlushAsync(cancellationToken);
        return job.Result;
    }

    // The first failure stops the others, and all have ended before it is thrown: nothing writes behind the caller's back.
    private static async Task JoinAsync(Task[] running, CancellationTokenSource stop)
    {
        foreach (Task task in running)
        {
            _ = task.ContinueWith(_ => stop.Cancel(), CancellationToken.None, TaskContinuationOptions.NotOnRanToCompletion, TaskScheduler.Default);
        }

        try
        {
            await Task.WhenAll(running);
        }
        catch (OperationCanceledException) when (running.FirstOrDefault(task => task.IsFaulted) is { } failed)
        {
            await failed;
        }
    }

    private sealed class Job(IBlockDevice source, IBlockDevice target, CopyOptions options, IProgress<JobProgress>? progress)
    {
        private readonly Throttle _throttle = new(options.BytesPerSecond);
        private long _done;
        private long _copied;
        private long _zeros;

        public CopyResult Result => new(_copied, _zeros);

        public Task PlanAsync(ChannelWriter<Extent> pieces, CancellationToken cancellationToken) => Task.Run(
            async () =>
            {
                try
                {
                    await foreach (Extent extent in source.ExtentsAsync(0, source.Length, cancellationToken))
                    {
                        await EnqueueAsync(pieces, extent, cancellationToken);
                    }
                }
                finally
                {
                    pieces.Complete();
                }
            },
            cancellationToken);

        public Task WorkAsync(ChannelReader<Extent> pieces, CancellationToken cancellationToken) => Task.Run(
            async () =>
            {
                byte[] buffer = GC.AllocateUninitializedArray<byte>(PieceSize, pinned: true);
                try
                {
                    await foreach (Extent piece in pieces.ReadAllAsync(cancellationToken))
                    {
                        await CopyPieceAsync(piece, buffer, cancellationToken);
                    }
                }
                finally
                {
                    CryptographicOperations.ZeroMemory(buffer);
                }
            },
            cancellationToken);

        // Pieces end at multiples of their size, so that no two of them share a cluster of the target.
        private async ValueTask EnqueueAsync(ChannelWriter<Extent> pieces, Extent extent, CancellationToken cancellationToken)
        {
            if (extent.Kind != ExtentKind.Data)
            {
                await ZeroAsync(extent.Offset, extent.Length, cancellationToken);
                return;
            }

            for (long at = extent.Offset; at < extent.End;)
            {
                long end = Math.Min(extent.End, (at / PieceSize * PieceSize) + PieceSize);
                await pieces.WriteAsync(new Extent(at, end - at, ExtentKind.Data), cancellationToken);
                at = end;
            }
        }

        private async ValueTask CopyPieceAsync(Extent piece, byte[] buffer, CancellationToken cancellationToken)
        {
            await _throttle.WaitAsync(piece.Length, cancellationToken);
            Memory<byte> bytes = buffer.AsMemory(0, (int)piece.Length);
            await source.ReadAsync(piece.Offset, bytes, cancellationToken);
            for (int at = 0; at < bytes.Length;)
            {
                (int length, bool zero) = NextRun(bytes.Span[at..], piece.Offset + at);
                if (zero)
                {
                    await ZeroAsync(piece.Offset + at, length, cancellationToken);
                }
                else
                {
                    await target.WriteAsync(piece.Offset + at, bytes.Slice(at, length), cancellationToken);
                    Interlocked.Add(ref _copied, length);
                    Report(length);
                }

                at += length;
            }
        }

        private async ValueTask ZeroAsync(long offset, long length, CancellationToken cancellationToken)
        {
            if (!options.TargetReadsAsZeros)
            {
                await target.ZeroAsync(offset, length, ZeroFlags.None, cancellationToken);
            }

            Interlocked.Add(ref _zeros, length);
            Report(length);
        }

        private void Report(long length) =>
            progress?.Report(new JobProgress("Copying", Interlocked.Add(ref _done, length), source.Length));
    }

    /// <summary>The longest start of <paramref name="bytes"/> whose grains are all zero, or all not.</summary>
    private static (int Length, bool Zero) NextRun(ReadOnlySpan<byte> bytes, long offset)
    {
        int length = 0;
        bool zero = false;
        while (length < bytes.Length)
        {
            int grain = Math.Min(ZeroGrain - (int)((offset + length) % ZeroGrain), bytes.Length - length);
            bool grainIsZero = !bytes.Slice(length, grain).ContainsAnyExcept((byte)0);
            if (length > 0 && grainIsZero != zero)
            {
                break;
            }

            zero = grainIsZero;
            length += grain;
        }

        return (length, zero);
    }
}
