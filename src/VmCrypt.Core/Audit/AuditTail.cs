namespace VmCrypt.Core.Audit;

/// <summary>The end of a log: its newest good entry, and the torn line that stands behind it.</summary>
/// <param name="EndsLine">False where the next entry must first write a line feed.</param>
internal sealed record AuditTail(AuditReceipt Last, ReadOnlyMemory<byte> Torn, bool EndsLine)
{
    // A torn fragment can be as long as a line, and a repaired one stands before the entry that tells of it.
    private const int Window = 4 * AuditLine.MaxBytes;

    public static AuditTail Read(FileStream log)
    {
        int count = (int)Math.Min(Window, log.Length);
        byte[] bytes = new byte[count];
        log.Seek(-count, SeekOrigin.End);
        log.ReadExactly(bytes);

        int end = bytes.AsSpan().LastIndexOf((byte)'\n') + 1;
        AuditReceipt last = NewestGood(bytes.AsSpan(0, end));
        Memory<byte> torn = bytes.AsMemory(end);
        // Only the line feed was lost: the entry is whole and counts.
        return AuditLine.TryRead(torn.Span) is { } whole && whole.Previous == last.Hash
            ? new AuditTail(whole.Entry.Receipt, ReadOnlyMemory<byte>.Empty, EndsLine: false)
            : new AuditTail(last, torn, torn.IsEmpty);
    }

    private static AuditReceipt NewestGood(ReadOnlySpan<byte> lines)
    {
        while (lines.Length > 0)
        {
            lines = lines[..^1];
            int start = lines.LastIndexOf((byte)'\n') + 1;
            if (AuditLine.TryRead(lines[start..]) is { } line)
            {
                return line.Entry.Receipt;
            }

            lines = lines[..start];
        }

        return AuditLine.Origin;
    }
}
