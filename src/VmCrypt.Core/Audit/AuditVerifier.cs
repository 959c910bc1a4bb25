using System.Buffers;
using System.IO.Pipelines;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Audit;

/// <summary>Follows the chain from the first line to the last.</summary>
internal sealed class AuditVerifier
{
    public const int MaxBreaks = 100;

    private readonly List<AuditBreak> _breaks = [];
    private AuditReceipt _last = AuditLine.Origin;
    private AuditReceipt? _head;
    private bool _headSeen;
    private string? _wanted;
    private bool _wantedSeen;
    private (long Line, string Hash)? _suspect;
    private long _line;
    private long _entries;
    private int _torn;

    public static async Task<AuditReport> RunAsync(string path, string? entryHash, CancellationToken cancellationToken)
    {
        var verifier = new AuditVerifier { _head = AuditHead.Read(path), _wanted = entryHash };
        try
        {
            await using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            await verifier.ReadAsync(stream, cancellationToken);
        }
        catch (Exception fault) when (fault is FileNotFoundException or DirectoryNotFoundException)
        {
            if (verifier._head is null)
            {
                throw new MissingException(ErrorIds.FileNotFound, $"There is no audit log '{path}'.", fault);
            }
        }

        return verifier.Report(path);
    }

    private async Task ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        var reader = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: AuditLine.MaxBytes));
        while (true)
        {
            ReadResult result = await reader.ReadAsync(cancellationToken);
            ReadOnlySequence<byte> rest = result.Buffer;
            while (rest.PositionOf((byte)'\n') is { } end)
            {
                Take(rest.Slice(0, end).ToArray());
                rest = rest.Slice(rest.GetPosition(1, end));
            }

            if (result.IsCompleted || rest.Length > AuditLine.MaxBytes)
            {
                TakeRest(rest);
                return;
            }

            reader.AdvanceTo(rest.Start, rest.End);
        }
    }

    private void TakeRest(in ReadOnlySequence<byte> rest)
    {
        if (rest.Length > AuditLine.MaxBytes)
        {
            Break(_line + 1, AuditBreakKind.LineDamaged, $"The line is longer than {AuditLine.MaxBytes} bytes; reading stops here.");
        }
        else if (AuditLine.TryRead(rest.ToArray()) is not null)
        {
            Take(rest.ToArray());
        }
        else if (!rest.IsEmpty)
        {
            _torn++;
        }
    }

    private void Take(ReadOnlySpan<byte> bytes)
    {
        _line++;
        if (AuditLine.TryRead(bytes) is not { } line)
        {
            AcceptSuspect(accepted: false);
            _suspect = (_line, AuditLine.HashOf(bytes));
            return;
        }

        AuditEvent what = line.Entry.Event;
        AcceptSuspect(what.Action == AuditLog.TornLine && what.Details.GetValueOrDefault("sha256") == _suspect?.Hash);
        if (line.Previous != _last.Hash || line.Entry.Receipt.Sequence != _last.Sequence + 1)
        {
            Break(_line, AuditBreakKind.ChainBroken,
                $"Entry {line.Entry.Receipt.Sequence} does not follow entry {_last.Sequence} that stands before it.");
        }

        if (what.Action == AuditLog.EntriesMissing)
        {
            Break(_line, AuditBreakKind.EntriesMissing,
                $"When this entry was written, the log ended before its head, entry {what.Details.GetValueOrDefault("headSequence")}.");
        }

        _entries++;
        _last = line.Entry.Receipt;
        _headSeen |= _last == _head;
        _wantedSeen |= string.Equals(_last.Hash, _wanted, StringComparison.OrdinalIgnoreCase);
    }

    // A damaged line is a torn one only if the very next entry vouches for its bytes.
    private void AcceptSuspect(bool accepted)
    {
        if (_suspect is not { } suspect)
        {
            return;
        }

        if (accepted)
        {
            _torn++;
        }
        else
        {
            Break(suspect.Line, AuditBreakKind.LineDamaged, "The line is no entry, or its bytes are not those that were hashed.");
        }

        _suspect = null;
    }

    private AuditReport Report(string path)
    {
        AcceptSuspect(accepted: false);
        if (_head is not null && !_headSeen)
        {
            Break(_line, AuditBreakKind.EntriesMissing,
                $"The head file names entry {_head.Sequence} ({_head.Hash[..16]}…), which is not in the log.");
        }

        return new AuditReport { Path = path, Entries = _entries, Head = _last, Breaks = _breaks, TornLines = _torn, ContainsEntry = _wanted is null ? null : _wantedSeen };
    }

    private void Break(long line, AuditBreakKind kind, string reason)
    {
        if (_breaks.Count < MaxBreaks)
        {
            _breaks.Add(new AuditBreak(line, kind, reason));
        }
    }
}
