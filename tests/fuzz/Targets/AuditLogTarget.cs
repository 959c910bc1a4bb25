using System.Security.Cryptography;
using System.Text;
using VmCrypt.Core.Audit;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>An audit log that somebody has edited: verified, gone on with, verified again.</summary>
/// <remarks>The first byte says whether each line's hash is made right (bit 0); then come the head file, a NUL, and the log.</remarks>
internal sealed class AuditLogTarget : IFuzzTarget
{
    private const int HashAt = 9;
    private const int HashLength = 64;
    private const int CoveredFrom = HashAt + HashLength + 2;

    private readonly ScratchFolder _folder = new();

    public string Name => "audit-log";

    public IReadOnlyList<byte[]> Words { get; } = Text.Words(
        "{\"hash\":\"", "\",\"previous\":\"", "\"sequence\":", "\"time\":\"2026-01-01T00:00:00+00:00\"", "\"host\":", "\"operator\":", "\"action\":\"Audit.TornLine\"", "\"Audit.EntriesMissing\"",
        "\"target\":", "\"outcome\":", "\"vm\":", "\"details\":{", "\"sha256\":\"", "\"headSequence\":\"", "\n", "\0", "9223372036854775807", "-1", "null", "\\ud800", new('0', 64), " 1\n");

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        int end = input.IndexOf((byte)0);
        if (end > 0)
        {
            byte[] log = input[(end + 1)..].ToArray();
            if ((input[0] & 1) != 0)
            {
                RepairHashes(log);
            }

            _folder.Write("audit.log.head", input[1..end]);
            Sync.Wait(RunAsync(new AuditLog(_folder.Write("audit.log", log)), trace));
        }
    }

    private static async Task RunAsync(AuditLog log, Trace trace)
    {
        AuditReport before = await log.VerifyAsync(default);
        trace.Note($"unbroken {before.IsUnbroken}", before.Entries);
        foreach (AuditBreak broken in before.Breaks)
        {
            trace.Note($"{broken.Kind}");
        }

        AuditReceipt receipt = await log.AppendAsync(new AuditEvent("Fuzz.Append", "log", "Done"), default);
        AuditReport after = await log.VerifyAsync(default);
        DefectException.Unless(after.Head == receipt || !before.IsUnbroken, "The newest entry is not the head of the log.");
        DefectException.Unless(after.IsUnbroken || !before.IsUnbroken || after.Entries > before.Entries + 1, "A sound log was broken by an entry.");
    }

    private static void RepairHashes(byte[] log)
    {
        for (int start = 0, end; start < log.Length; start = end + 1)
        {
            end = Array.IndexOf(log, (byte)'\n', start) is >= 0 and var found ? found : log.Length;
            if (end - start > CoveredFrom)
            {
                Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA256.HashData(log.AsSpan(start..end)[CoveredFrom..]))).CopyTo(log, start + HashAt);
            }
        }
    }
}
