using VmCrypt.Core.Block;

namespace VmCrypt.Core.Tests.Support;

/// <summary>Random calls to a disk, remembered well enough to say after a crash what each sector may hold.</summary>
/// <remarks>
/// A sector holds what it held at the last completed flush, or what one of the calls since then made of it.
/// A trimmed sector may hold anything until it is written again.
/// </remarks>
/// <param name="content">The disk before the first call, durable.</param>
/// <param name="log">Where the file below notes its effects; its count dates each call.</param>
internal sealed class DurabilityModel(byte[] content, EffectLog log, int seed)
{
    private const int Sector = 512;

    private readonly Random _random = new(seed);
    private readonly List<Call> _calls = [];
    private byte[] _now = [.. content];

    /// <summary>A call: when it began and ended, and the disk afterwards; <see cref="Trimmed"/> is the range that may hold anything.</summary>
    private sealed record Call(int Begin, int End, bool IsFlush, byte[] After, (int Start, int End) Trimmed);

    public async Task RunAsync(IBlockDevice disk, int calls, CancellationToken cancellationToken)
    {
        for (int i = 0; i < calls; i++)
        {
            await StepAsync(disk, cancellationToken);
        }

        await RecordAsync(isFlush: true, default, () => disk.FlushAsync(cancellationToken));
    }

    /// <summary>Fails unless every sector of the disk holds what it may hold when all stopped after <paramref name="effects"/> effects.</summary>
    public async Task CheckAsync(IBlockDevice disk, int effects, string context, CancellationToken cancellationToken)
    {
        byte[] found = new byte[disk.Length];
        await disk.ReadAsync(0, found, cancellationToken);
        int durable = _calls.FindLastIndex(call => call.IsFlush && call.End <= effects);
        byte[] flushed = durable < 0 ? content : _calls[durable].After;
        Call[] since = [.. _calls.Skip(durable + 1).TakeWhile(call => call.Begin <= effects)];
        var trimmed = TrimmedSectors(durable);
        for (int at = 0; at < found.Length; at += Sector)
        {
            bool allowed = trimmed.Contains(at) || Same(found, flushed, at)
                || since.Any(call => Same(found, call.After, at) || Overlaps(call.Trimmed, at));
            Assert.True(allowed, $"{context}: the sector at {at} holds neither what was flushed nor what was written since");
        }
    }

    private async Task StepAsync(IBlockDevice disk, CancellationToken cancellationToken)
    {
        // Whole sectors: of two changes to one sector, a real cache never keeps the later without the earlier.
        int alignment = Math.Max(Sector, disk.Traits.RequiredAlignment);
        int offset = _random.Next(_now.Length) & -alignment;
        int most = _random.Next(3) == 0 ? _now.Length / 3 : 3000;
        int count = Math.Max(alignment, Math.Min(_random.Next(1, most), _now.Length - offset) & -alignment);
        switch (_random.Next(10))
        {
            case < 5:
                byte[] fresh = new byte[count];
                _random.NextBytes(fresh);
                fresh.CopyTo(Changed(), offset);
                await RecordAsync(isFlush: false, default, () => disk.WriteAsync(offset, fresh, cancellationToken));
                break;
            case < 6:
                Changed().AsSpan(offset, count).Clear();
                await RecordAsync(isFlush: false, default, () => disk.ZeroAsync(offset, count, ZeroFlags.None, cancellationToken));
                break;
            case < 8:
                Changed();
                await RecordAsync(isFlush: false, (offset, offset + count), async () =>
                {
                    await disk.TrimAsync(offset, count, cancellationToken);
                    await disk.ReadAsync(offset, _now.AsMemory(offset, count), cancellationToken);
                });
                break;
            default:
                await RecordAsync(isFlush: true, default, () => disk.FlushAsync(cancellationToken));
                break;
        }
    }

    private byte[] Changed() => _now = [.. _now];

    private async Task RecordAsync(bool isFlush, (int Start, int End) trimmed, Func<ValueTask> call)
    {
        int begin = log.Count;
        await call();
        _calls.Add(new Call(begin, log.Count, isFlush, _now, trimmed));
    }

    /// <summary>Sectors that were trimmed before the flush and not written between.</summary>
    private HashSet<int> TrimmedSectors(int last)
    {
        var trimmed = new HashSet<int>();
        byte[] before = content;
        foreach (Call call in _calls.Take(last + 1))
        {
            for (int at = 0; at < content.Length; at += Sector)
            {
                if (Overlaps(call.Trimmed, at))
                {
                    trimmed.Add(at);
                }
                else if (!ReferenceEquals(before, call.After) && !Same(before, call.After, at))
                {
                    trimmed.Remove(at);
                }
            }

            before = call.After;
        }

        return trimmed;
    }

    private static bool Overlaps((int Start, int End) range, int at) => range.Start < at + Sector && at < range.End;

    private static bool Same(byte[] first, byte[] second, int at)
    {
        int count = Math.Min(Sector, first.Length - at);
        return first.AsSpan(at, count).SequenceEqual(second.AsSpan(at, count));
    }
}
