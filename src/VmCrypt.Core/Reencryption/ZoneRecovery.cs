using VmCrypt.Core.Block;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Reencryption;

/// <summary>Brings a zone that may be half rewritten to its new form, by what was stored of it. May itself be cut short and repeated.</summary>
/// <remarks>
/// Where the payload moves, the old bytes are untouched and are rewritten again. In their own place, a block whose checksum is the old one
/// is old, every other one new; or the old bytes come from the journal. Works in pieces, because others make zones of up to 1 GiB.
/// </remarks>
internal sealed class ZoneRecovery(
    IBlockDevice data, IZoneJournal journal, ZoneMap map, ZoneIO io, PayloadCipher cipher, ZoneProtection protection)
{
    private const int Piece = 1 << 20;

    private readonly IZonePlan _plan = journal.Plan;

    /// <param name="hot">The zone.</param>
    /// <param name="buffer">For pieces of it.</param>
    /// <param name="cancellationToken">Cancels; the zone stays half rewritten.</param>
    public async Task RunAsync(PayloadZone hot, ZoneBuffer buffer, CancellationToken cancellationToken)
    {
        if (_plan.Source(hot) == _plan.Target(hot))
        {
            await InPlaceAsync(hot, cancellationToken);
        }
        else
        {
            for (long at = 0; at < hot.Length; at += buffer.Capacity)
            {
                var part = new PayloadZone(hot.Offset + at, Math.Min(buffer.Capacity, hot.Length - at));
                buffer.Begin(part, await map.RunsAsync(part, cancellationToken));
                await io.LoadAsync(buffer, protect: false, cancellationToken);
                await io.StoreAsync(buffer);
            }
        }

        await data.FlushAsync(CancellationToken.None);
    }

    private async Task InPlaceAsync(PayloadZone hot, CancellationToken cancellationToken)
    {
        byte[] bytes = new byte[Piece];
        byte[] record = new byte[protection.UsesChecksums ? Piece / protection.BlockSize * protection.HashSize : 0];
        foreach (ZoneRun run in (await map.RunsAsync(hot, cancellationToken)).Where(run => !run.IsHole))
        {
            Memory<byte> piece = bytes.AsMemory(0, (int)run.Length);
            long payload = hot.Offset + run.At;
            if (protection.UsesJournal)
            {
                await journal.ReadProtectionAsync(run.At, piece, cancellationToken);
                cipher.Convert(payload, piece.Span);
                await data.WriteAsync(_plan.Target(hot) + run.At, piece, cancellationToken);
                continue;
            }

            Memory<byte> checksums = record.AsMemory(0, (int)protection.RecordLength(run.Length));
            await journal.ReadProtectionAsync(protection.RecordLength(run.At), checksums, cancellationToken);
            await data.ReadAsync(_plan.Target(hot) + run.At, piece, cancellationToken);
            await ConvertOldAsync(payload, _plan.Target(hot) + run.At, piece, checksums, cancellationToken);
        }

        System.Security.Cryptography.CryptographicOperations.ZeroMemory(bytes);
    }

    private async ValueTask ConvertOldAsync(long payload, long target, Memory<byte> piece, ReadOnlyMemory<byte> checksums, CancellationToken cancellationToken)
    {
        int size = protection.BlockSize;
        bool IsOld(int at) => protection.IsOld(piece.Span.Slice(at, size), checksums.Span.Slice(at / size * protection.HashSize, protection.HashSize));

        for (int at = 0; at < piece.Length; at += size)
        {
            int end = at;
            while (end < piece.Length && IsOld(end))
            {
                end += size;
            }

            if (end > at)
            {
                Memory<byte> old = piece[at..end];
                cipher.Convert(payload + at, old.Span);
                await data.WriteAsync(target + at, old, cancellationToken);
                at = end;
            }
        }
    }
}
