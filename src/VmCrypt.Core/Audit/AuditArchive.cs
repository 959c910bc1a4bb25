using System.Runtime.CompilerServices;
using VmCrypt.Core.Database;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Audit;

/// <summary>The copy of a host's log in the database that it shares with others: a log that was cut or put back no longer agrees with it.</summary>
/// <remarks>
/// An entry is made in the log first, where it is durable whether or not the database answers; what the database lacks goes there with
/// the next entry that finds it. The database takes a sequence number of a host once.
/// </remarks>
internal sealed class AuditArchive(HostDatabase database, TimeProvider clock)
{
    private const int Batch = 500;
    private const int End = 4 * AuditLine.MaxBytes;

    // A database that is away must not make every entry wait; one that was restarted is to be found in the first try.
    private static readonly TimeSpan s_respite = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    private static readonly ConditionalWeakTable<HostDatabase, StrongBox<long>> s_nextTries = [];

    private readonly StrongBox<long> _nextTry = s_nextTries.GetValue(database, _ => new StrongBox<long>(long.MinValue));

    /// <summary>Copies what is missing there; a database that is away gets it later.</summary>
    public async Task CatchUpAsync(string log)
    {
        if (clock.GetTimestamp() < Interlocked.Read(ref _nextTry.Value))
        {
            return;
        }

        try
        {
            while (await PushAsync(log) == Batch)
            {
            }
        }
        catch (DeviceFaultException)
        {
            Interlocked.Exchange(ref _nextTry.Value, clock.GetTimestamp() + (long)(s_respite.TotalSeconds * clock.TimestampFrequency));
        }
    }

    /// <summary>The next entry tries the database again, whenever that was away.</summary>
    public void ForgetRespite() => Interlocked.Exchange(ref _nextTry.Value, long.MinValue);

    /// <summary>The newest entry of this host that the database has; null for none.</summary>
    public async Task<AuditReceipt?> NewestAsync(CancellationToken cancellationToken)
    {
        List<byte[]> lines = await database.TransactAsync(
            session => session.QueryAsync(
                "select line from vmcrypt.audit where host = $1 order by sequence desc limit 1", row => row.GetFieldValue<byte[]>(0), Operator.Host),
            cancellationToken);
        return lines is [var line] ? AuditLine.TryRead(line)?.Entry.Receipt : null;
    }

    private Task<int> PushAsync(string log) => database.TransactAsync(
        async session =>
        {
            long newest = (await session.QueryAsync("select coalesce(max(sequence), 0) from vmcrypt.audit where host = $1", row => row.GetInt64(0), Operator.Host))[0];
            (long Sequence, byte[] Line)[] missing = [.. LinesAfter(log, newest).Take(Batch)];
            foreach ((long sequence, byte[] line) in missing)
            {
                await session.RunAsync("insert into vmcrypt.audit (host, sequence, line) values ($1, $2, $3) on conflict do nothing", Operator.Host, sequence, line);
            }

            return missing.Length;
        },
        CancellationToken.None,
        s_patience);

    // Most often only the newest entry is missing, so the end of the log is read first.
    private static List<(long Sequence, byte[] Line)> LinesAfter(string log, long newest)
    {
        using var stream = new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        List<(long Sequence, byte[] Line)> end = Read(stream, Math.Max(0, stream.Length - End));
        bool reaches = stream.Length <= End || (end.Count > 0 && end[0].Sequence <= newest + 1);
        return [.. (reaches ? end : Read(stream, 0)).Where(entry => entry.Sequence > newest)];
    }

    private static List<(long Sequence, byte[] Line)> Read(FileStream log, long start)
    {
        byte[] bytes = new byte[log.Length - start];
        log.Position = start;
        log.ReadExactly(bytes);
        var lines = new List<(long, byte[])>();
        foreach (Range range in MemoryExtensions.Split(bytes.AsSpan(), (byte)'\n'))
        {
            if (AuditLine.TryRead(bytes.AsSpan(range)) is { } line)
            {
                lines.Add((line.Entry.Receipt.Sequence, bytes.AsSpan(range).ToArray()));
            }
        }

        return lines;
    }
}
