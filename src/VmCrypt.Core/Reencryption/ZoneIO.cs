using VmCrypt.Core.Block;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Reencryption;

/// <summary>Moves zones between a device and memory, spread over the processors.</summary>
internal sealed class ZoneIO(IBlockDevice data, IZonePlan plan, PayloadCipher cipher, ZoneProtection protection)
{
    private static readonly int s_workers = Math.Clamp(Environment.ProcessorCount, 2, 8);

    /// <summary>Reads the old bytes and their record; unless a journal needs them as they are, they are new ones when this returns.</summary>
    public Task LoadAsync(ZoneBuffer buffer, bool protect, CancellationToken cancellationToken) => ForEachAsync(buffer, async (run, token) =>
    {
        Memory<byte> bytes = buffer.Of(run);
        if (run.IsHole)
        {
            bytes.Span.Clear();
            return;
        }

        await data.ReadAsync(plan.Source(buffer.Zone) + run.At, bytes, token);
        if (protect && protection.UsesChecksums)
        {
            int at = (int)protection.RecordLength(run.At);
            protection.Fill(bytes.Span, buffer.Record(at + (int)protection.RecordLength(run.Length)).Span[at..]);
        }

        if (!protect || !protection.UsesJournal)
        {
            cipher.Convert(buffer.Zone.Offset + run.At, bytes.Span);
        }
    }, cancellationToken);

    public Task ConvertAsync(ZoneBuffer buffer) => ForEachAsync(buffer, (run, _) =>
    {
        if (!run.IsHole)
        {
            cipher.Convert(buffer.Zone.Offset + run.At, buffer.Of(run).Span);
        }

        return ValueTask.CompletedTask;
    }, CancellationToken.None);

    /// <summary>Writes the new bytes; not cancelled, because what is half written must be recovered.</summary>
    public Task StoreAsync(ZoneBuffer buffer) => ForEachAsync(buffer, (run, token) =>
    {
        long target = plan.Target(buffer.Zone) + run.At;
        bool moves = target != plan.Source(buffer.Zone) + run.At;
        Memory<byte> bytes = buffer.Of(run);
        bool zero = run.IsHole || (plan.Mode == ReencryptionMode.Decrypt && !bytes.Span.ContainsAnyExcept((byte)0));
        return !zero ? data.WriteAsync(target, bytes, token)
            : moves || !run.IsHole ? data.ZeroAsync(target, run.Length, ZeroFlags.None, token)
            : ValueTask.CompletedTask;
    }, CancellationToken.None);

    private static Task ForEachAsync(ZoneBuffer buffer, Func<ZoneRun, CancellationToken, ValueTask> work, CancellationToken cancellationToken) =>
        Parallel.ForEachAsync(buffer.Runs, new ParallelOptions { MaxDegreeOfParallelism = s_workers, CancellationToken = cancellationToken }, work);
}
