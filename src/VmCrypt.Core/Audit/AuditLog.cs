using System.Runtime.CompilerServices;
using System.Text;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Database;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Audit;

/// <summary>The append-only log of what was done and refused; each entry's hash covers the one before it.</summary>
/// <remarks>
/// Writers of all processes take turns. Steps of an append, and what a crash after each leaves: the line is written (a torn line:
/// the next writer ends it and says so in an entry of its own) and flushed; the head file, which names the newest entry, is
/// overwritten and flushed (a head that is one entry behind: harmless). A log that ends before its head has lost entries.
/// </remarks>
public sealed class AuditLog(string path, TimeProvider? clock = null)
{
    internal const string TornLine = "Audit.TornLine";
    internal const string EntriesMissing = "Audit.EntriesMissing";

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly TimeProvider _clock = clock ?? TimeProvider.System;

    public string Path { get; } = System.IO.Path.GetFullPath(path);

    /// <summary>The folder of the log's host, which may have a database; null for a log that somebody brought.</summary>
    private ConfigurationFolder? Folder { get; init; }

    /// <summary>The log of a configuration folder; where the host has a database, a copy of every entry goes there.</summary>
    public static AuditLog Of(ConfigurationFolder folder)
    {
        folder.Create();
        return new AuditLog(folder["audit.log"]) { Folder = folder };
    }

    /// <summary>Adds an entry; when this returns, it survives a power cut.</summary>
    /// <exception cref="DeviceBusyException"><see cref="ErrorIds.ConfigurationBusy"/>.</exception>
    public async Task<AuditReceipt> AppendAsync(AuditEvent what, CancellationToken cancellationToken)
    {
        AuditReceipt receipt = await WriteAsync(what, cancellationToken);
        if (await ArchiveAsync(cancellationToken) is { } archive)
        {
            await archive.CatchUpAsync(Path);
        }

        return receipt;
    }

    private async Task<AuditReceipt> WriteAsync(AuditEvent what, CancellationToken cancellationToken)
    {
        using FileLock gate = await FileLock.TakeAsync(Path, s_patience, cancellationToken);
        try
        {
            using FileStream stream = Open();
            AuditTail tail = AuditTail.Read(stream);
            var text = new MemoryStream();
            AuditReceipt last = WriteRepairs(tail, text);
            text.Write(AuditLine.Write(last, what, _clock.GetUtcNow(), out last));

            stream.Seek(0, SeekOrigin.End);
            stream.Write(text.GetBuffer(), 0, (int)text.Length);
            stream.Flush(flushToDisk: true);
            AuditHead.Write(Path, last);
            return last;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new DeviceFaultException(ErrorIds.DeviceIO, $"The audit log '{Path}' cannot be written: {fault.Message}", fault);
        }
    }

    /// <summary>Reads the whole log and tells whether its chain is unbroken.</summary>
    /// <param name="entryHash">An entry to look for, as a certificate names it; null for none.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.FileNotFound"/>.</exception>
    public async Task<AuditReport> VerifyAsync(string? entryHash, CancellationToken cancellationToken)
    {
        AuditReport report = await AuditVerifier.RunAsync(Path, entryHash, cancellationToken);
        AuditArchive? archive = await ArchiveAsync(cancellationToken);
        AuditReceipt? copied = archive is null ? null : await archive.NewestAsync(cancellationToken);
        bool agrees = copied is null || (await AuditVerifier.RunAsync(Path, copied.Hash, cancellationToken)).ContainsEntry == true;
        return agrees ? report : report with
        {
            Breaks = [.. report.Breaks, new AuditBreak(report.Entries, AuditBreakKind.EntriesMissing, $"The database has the entry {copied!.Sequence}, {copied.Hash}, which is not in the log.")],
        };
    }

    /// <inheritdoc cref="VerifyAsync(string?, CancellationToken)"/>
    public Task<AuditReport> VerifyAsync(CancellationToken cancellationToken) => VerifyAsync(entryHash: null, cancellationToken);

    private async ValueTask<AuditArchive?> ArchiveAsync(CancellationToken cancellationToken) =>
        Folder is not null && await HostDatabase.OfAsync(Folder, cancellationToken) is { } database ? new AuditArchive(database, _clock) : null;

    /// <summary>The entries whose lines are whole, oldest first; not whether their chain holds.</summary>
    public async IAsyncEnumerable<AuditEntry> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (!File.Exists(Path))
        {
            yield break;
        }

        await foreach (string text in File.ReadLinesAsync(Path, cancellationToken))
        {
            if (AuditLine.TryRead(Encoding.UTF8.GetBytes(text)) is { } line)
            {
                yield return line.Entry;
            }
        }
    }

    private FileStream Open()
    {
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        return new FileStream(Path, options);
    }

    private AuditReceipt WriteRepairs(AuditTail tail, MemoryStream text)
    {
        AuditReceipt last = tail.Last;
        if (!tail.EndsLine)
        {
            text.WriteByte((byte)'\n');
        }

        if (tail.Torn.Length > 0)
        {
            var torn = new AuditEvent(TornLine, Path, "Repaired")
            {
                Details = new Dictionary<string, string> { ["bytes"] = $"{tail.Torn.Length}", ["sha256"] = AuditLine.HashOf(tail.Torn.Span) },
            };
            text.Write(AuditLine.Write(last, torn, _clock.GetUtcNow(), out last));
        }

        if (AuditHead.Read(Path) is { } head && (head.Sequence > tail.Last.Sequence || (head.Sequence == tail.Last.Sequence && head != tail.Last)))
        {
            var missing = new AuditEvent(EntriesMissing, Path, "Found")
            {
                Details = new Dictionary<string, string> { ["headSequence"] = $"{head.Sequence}", ["headHash"] = head.Hash },
            };
            text.Write(AuditLine.Write(last, missing, _clock.GetUtcNow(), out last));
        }

        return last;
    }
}

/// <summary>The file beside the log that names its newest entry, so that a shortened log is noticed.</summary>
internal static class AuditHead
{
    public static void Write(string log, AuditReceipt receipt)
    {
        // One small write at the start of one sector: it is there or it is not.
        byte[] line = Encoding.ASCII.GetBytes($"{receipt.Hash} {receipt.Sequence,19}\n");
        using var stream = new FileStream(NameOf(log), FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        stream.Write(line);
        stream.Flush(flushToDisk: true);
    }

    /// <summary>Null where there is none or it cannot be read.</summary>
    public static AuditReceipt? Read(string log)
    {
        string name = NameOf(log);
        if (!File.Exists(name))
        {
            return null;
        }

        string[] words = File.ReadAllText(name).Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return words.Length == 2 && words[0].Length == AuditLine.Origin.Hash.Length && long.TryParse(words[1], out long sequence) ? new AuditReceipt(sequence, words[0]) : null;
    }

    private static string NameOf(string log) => log + ".head";
}
