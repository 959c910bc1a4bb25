using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Vhdx;

/// <summary>Finds what the log still has to say, and says it ([MS-VHDX] 2.3.3).</summary>
internal static class VhdxReplay
{
    private const int Sector = VhdxLimits.Sector;

    // A sound log is looked at twice; one that is full of entries which only claim to be long would be looked at for ever.
    private const int MostLooks = 16;

    /// <summary>The entries to apply, in order; none where the log is empty.</summary>
    /// <remarks>
    /// A log that names a GUID and has no sound sequence is taken for empty: writers that name the GUID first (QEMU) leave it so when
    /// they stop before their first entry, and have then changed nothing.
    /// </remarks>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.VhdxLogInvalid"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.VhdxLogInvalid"/>.</exception>
    public static async ValueTask<List<VhdxLogEntry>> ReadAsync(IBlockDevice file, VhdxHeader header, CancellationToken cancellationToken)
    {
        if (header.LogGuid == Guid.Empty || header.LogBytes == 0)
        {
            return [];
        }

        if (header.LogBytes > VhdxLimits.MaxReplayLogBytes)
        {
            throw new UnsupportedFeatureException(ErrorIds.VhdxLogInvalid,
                $"The log waits for replay and has {header.LogBytes} bytes; at most {VhdxLimits.MaxReplayLogBytes} are supported.");
        }

        if ((long)header.LogOffset + header.LogBytes > file.Length)
        {
            throw new InvalidImageException(ErrorIds.VhdxLogInvalid,
                $"The log has {header.LogBytes} bytes at offset {header.LogOffset}, outside of the file of {file.Length} bytes.");
        }

        byte[] log = new byte[header.LogBytes];
        await file.ReadAsync((long)header.LogOffset, log, cancellationToken);
        return FindActive(log, header.LogGuid);
    }

    /// <summary>Applies the entries; applying them again, wholly or in part, changes nothing more.</summary>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.VhdxFileTruncated"/>, <see cref="ErrorIds.VhdxLogInvalid"/>.</exception>
    public static async ValueTask ApplyAsync(
        IBlockDevice file, VhdxHeader header, IReadOnlyList<VhdxLogEntry> entries, CancellationToken cancellationToken)
    {
        long zeros = 0;
        foreach (VhdxLogEntry entry in entries)
        {
            long before = file.Length;
            await ExtendAsync(file, entry, cancellationToken);
            foreach (VhdxLogChange change in entry.Changes)
            {
                CheckPlace(change, header, file.Length);
                if (change.Bytes is { } bytes)
                {
                    await file.WriteAsync((long)change.Offset, bytes, cancellationToken);
                    continue;
                }

                // What the file has just grown by is zero already.
                long count = Math.Clamp(before - (long)change.Offset, 0, (long)change.Length);
                zeros += count;
                if (zeros > VhdxLimits.MaxReplayZeroBytes)
                {
                    throw new InvalidImageException(ErrorIds.VhdxLogInvalid, $"The log zeroes more than {VhdxLimits.MaxReplayZeroBytes} bytes.");
                }

                await file.ZeroAsync((long)change.Offset, count, ZeroFlags.None, cancellationToken);
            }
        }
    }

    /// <summary>Of the unbroken sequences whose last entry says that it starts inside of them, the one with the highest number.</summary>
    private static List<VhdxLogEntry> FindActive(byte[] log, Guid logGuid)
    {
        List<VhdxLogEntry> active = [];
        long budget = (long)MostLooks * log.Length;
        for (int tail = 0; tail < log.Length;)
        {
            (List<VhdxLogEntry> sequence, List<int> places) = ReadSequence(log, tail, logGuid, ref budget);
            int first = sequence.Count == 0 ? -1 : places.IndexOf((int)Math.Min(sequence[^1].Tail, int.MaxValue));
            if (first >= 0 && (active.Count == 0 || sequence[^1].SequenceNumber > active[^1].SequenceNumber))
            {
                active = sequence[first..];
            }

            tail += first < 0 ? Sector : sequence.Sum(entry => entry.Length);
        }

        return active;
    }

    private static (List<VhdxLogEntry> Entries, List<int> Places) ReadSequence(byte[] log, int tail, Guid logGuid, ref long budget)
    {
        List<VhdxLogEntry> entries = [];
        List<int> places = [];
        for (int at = tail, total = 0; ReadEntry(log, at, logGuid, ref budget) is { } entry; at = (at + entry.Length) % log.Length)
        {
            total += entry.Length;
            if (total > log.Length || (entries.Count > 0 && entry.SequenceNumber != entries[^1].SequenceNumber + 1))
            {
                break;
            }

            entries.Add(entry);
            places.Add(at);
        }

        return (entries, places);
    }

    // The log is a ring: an entry may start before its end and go on at its start.
    private static VhdxLogEntry? ReadEntry(byte[] log, int at, Guid logGuid, ref long budget)
    {
        if (VhdxLogEntry.Claims(log.AsSpan(at, Sector), logGuid, log.Length) is not { } length)
        {
            return null;
        }

        budget -= length;
        if (budget < 0)
        {
            throw new InvalidImageException(ErrorIds.VhdxLogInvalid, $"The log of {log.Length} bytes is full of broken entries that overlap.");
        }

        return at + length <= log.Length
            ? VhdxLogEntry.TryParse(log.AsSpan(at, length))
            : VhdxLogEntry.TryParse([.. log[at..], .. log[..(length - (log.Length - at))]]);
    }

    private static async ValueTask ExtendAsync(IBlockDevice file, VhdxLogEntry entry, CancellationToken cancellationToken)
    {
        if (entry.FlushedFileOffset > (ulong)file.Length)
        {
            throw new InvalidImageException(ErrorIds.VhdxFileTruncated,
                $"The file has {file.Length} bytes, but had {entry.FlushedFileOffset} when its log was written; it was cut short.");
        }

        if (entry.LastFileOffset > (ulong)VhdxLimits.MaxFileBytes)
        {
            throw new InvalidImageException(ErrorIds.VhdxLogInvalid,
                $"The log says that the file has {entry.LastFileOffset} bytes; at most {VhdxLimits.MaxFileBytes} are possible.");
        }

        long wanted = ((long)entry.LastFileOffset + VhdxLimits.Alignment - 1) & -(long)VhdxLimits.Alignment;
        if (wanted > file.Length)
        {
            await file.SetLengthAsync(wanted, cancellationToken);
        }
    }

    // Headers and the log itself are not changed through the log.
    private static void CheckPlace(VhdxLogChange change, VhdxHeader header, long fileLength)
    {
        bool inFile = change.Length <= (ulong)fileLength && change.Offset <= (ulong)fileLength - change.Length;
        bool inLog = inFile && change.Offset < header.LogOffset + header.LogBytes && header.LogOffset < change.Offset + change.Length;
        if (!inFile || inLog || change.Offset < VhdxRegionTable.FirstOffset)
        {
            throw new InvalidImageException(ErrorIds.VhdxLogInvalid,
                $"The log changes {change.Length} bytes at offset {change.Offset}: headers, the log itself, or outside of the file of {fileLength} bytes.");
        }
    }
}
