using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Audit;

/// <summary>One line of the log: a JSON object whose first member is the hash of the rest of the line.</summary>
/// <remarks>
/// <code>{"hash":"H","previous":"P","sequence":7,"time":"…","host":"…","operator":"…","action":"…","target":"…","outcome":"…",…}</code>
/// H is the SHA-256, in lower-case hex, of the bytes from <c>"previous"</c> up to the line feed (which is not hashed); P is the H of
/// the line before, 64 zeros in the first. So <c>tail -n 1 audit.log | tr -d '\n' | tail -c +76 | sha256sum</c> checks a line by hand.
/// </remarks>
internal sealed record AuditLine(AuditEntry Entry, string Previous)
{
    /// <summary>Bytes of a line, line feed included; a reader of the tail needs no more than this.</summary>
    public const int MaxBytes = 64 * 1024;

    private const int HexLength = 2 * SHA256.HashSizeInBytes;
    private const int CoveredFrom = 9 + HexLength + 2;

    private static readonly JsonWriterOptions s_writer = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly JsonDocumentOptions s_reader = new() { MaxDepth = 4, AllowDuplicateProperties = false };

    /// <summary>What stands for the line before the first.</summary>
    public static AuditReceipt Origin { get; } = new(0, new string('0', HexLength));

    /// <summary>The line, with line feed, that follows <paramref name="previous"/>; tells its receipt.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.AuditEntryTooLarge"/>.</exception>
    public static byte[] Write(AuditReceipt previous, AuditEvent what, DateTimeOffset time, out AuditReceipt receipt)
    {
        var body = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(body, s_writer))
        {
            WriteMembers(json, previous, what, time);
        }

        // Without its opening brace the body is exactly the covered part of the line.
        ReadOnlySpan<byte> covered = body.WrittenSpan[1..];
        receipt = new AuditReceipt(previous.Sequence + 1, HashOf(covered));
        byte[] line = [.. Encoding.ASCII.GetBytes($"{{\"hash\":\"{receipt.Hash}\","), .. covered, (byte)'\n'];
        return line.Length <= MaxBytes
            ? line
            : throw new InvalidInputException(ErrorIds.AuditEntryTooLarge,
                $"The audit entry '{what.Action}' has {line.Length} bytes; a line has at most {MaxBytes}.");
    }

    /// <summary>Reads a line without its line feed; null where it is no line of ours or its hash is not that of its bytes.</summary>
    public static AuditLine? TryRead(ReadOnlySpan<byte> line)
    {
        if (line.Length <= CoveredFrom || !line.StartsWith("{\"hash\":\""u8))
        {
            return null;
        }

        string hash = Encoding.ASCII.GetString(line.Slice(9, HexLength));
        if (hash != HashOf(line[CoveredFrom..]))
        {
            return null;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(line.ToArray(), s_reader);
            return Read(document.RootElement, hash);
        }
        catch (Exception fault) when (fault is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }

    public static string HashOf(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    private static void WriteMembers(Utf8JsonWriter json, AuditReceipt previous, AuditEvent what, DateTimeOffset time)
    {
        json.WriteStartObject();
        json.WriteString("previous", previous.Hash);
        json.WriteNumber("sequence", previous.Sequence + 1);
        json.WriteString("time", time.ToUniversalTime());
        json.WriteString("host", Operator.Host);
        json.WriteString("operator", Operator.Name);
        json.WriteString("action", what.Action);
        json.WriteString("target", what.Target);
        json.WriteString("outcome", what.Outcome);
        if (what.VM is not null)
        {
            json.WriteString("vm", what.VM);
        }

        if (what.Details.Count > 0)
        {
            json.WriteStartObject("details");
            foreach ((string key, string value) in what.Details.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            {
                json.WriteString(key, value);
            }

            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static AuditLine Read(JsonElement line, string hash)
    {
        var what = new AuditEvent(Text(line, "action"), Text(line, "target"), Text(line, "outcome"))
        {
            VM = line.TryGetProperty("vm", out JsonElement vm) ? vm.GetString() : null,
            Details = line.TryGetProperty("details", out JsonElement details)
                ? details.EnumerateObject().ToDictionary(member => member.Name, member => member.Value.GetString() ?? string.Empty)
                : [],
        };
        var receipt = new AuditReceipt(line.GetProperty("sequence").GetInt64(), hash);
        DateTimeOffset time = line.GetProperty("time").GetDateTimeOffset();
        return new AuditLine(new AuditEntry(receipt, time, Text(line, "host"), Text(line, "operator"), what), Text(line, "previous"));
    }

    private static string Text(JsonElement line, string name) => line.GetProperty(name).GetString() ?? throw new FormatException(name);
}
