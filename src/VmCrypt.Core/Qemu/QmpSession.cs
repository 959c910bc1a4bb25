using System.Text.Json;
using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Qemu;

/// <summary>One end of QMP without its socket: bytes in, messages out; commands in, bytes out.</summary>
/// <remarks>
/// The greeting comes first, then <c>qmp_capabilities</c> must be the first command. Answers name the id of their command and may
/// come in any order, and events between them. Answers to commands that were given up are still recognised as ours. QEMU serves one
/// client after the other, and what it owes one that was killed it gives the next: answers whose ids were never ours are passed over.
/// </remarks>
/// <param name="firstId">Of the first command; one that no other client had, where there may have been one.</param>
internal sealed class QmpSession(long firstId = 1)
{
    /// <summary>Far above the longest answers of QEMU (query-qmp-schema has about 200 KiB).</summary>
    public const int MaxMessageBytes = 16 * 1024 * 1024;

    private static readonly JsonDocumentOptions s_options = new() { MaxDepth = 64 };

    private readonly JsonFraming _framing = new(MaxMessageBytes);
    private readonly HashSet<long> _open = [];
    private long _lastId = firstId - 1;
    private bool _greeted;

    /// <summary>The bytes of a command, and the id that its answer will carry.</summary>
    public (long Id, byte[] Bytes) Command(string name, JsonObject? arguments)
    {
        var command = new JsonObject { ["execute"] = name, ["id"] = ++_lastId };
        if (arguments is not null)
        {
            command["arguments"] = arguments.DeepClone();
        }

        _open.Add(_lastId);
        return (_lastId, [.. JsonSerializer.SerializeToUtf8Bytes(command), (byte)'\n']);
    }

    /// <summary>Takes received bytes, in pieces of any size, and hands out every message that they complete.</summary>
    /// <exception cref="ProtocolException"><see cref="ErrorIds.QmpInvalid"/>, <see cref="ErrorIds.QmpMessageTooLarge"/>.</exception>
    public IReadOnlyList<QmpMessage> Receive(ReadOnlySpan<byte> bytes)
    {
        List<QmpMessage> messages = [];
        while (_framing.TryTake(ref bytes, out ReadOnlyMemory<byte> message))
        {
            if (Parse(message) is { } parsed)
            {
                messages.Add(parsed);
            }
        }

        return messages;
    }

    private QmpMessage? Parse(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(bytes, s_options);
            JsonElement root = document.RootElement;
            return !_greeted ? Greeting(root)
                : root.TryGetProperty("event", out JsonElement name) ? Event(root, name)
                : Answer(root);
        }
        catch (Exception fault) when (fault is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new ProtocolException(ErrorIds.QmpInvalid, $"The monitor sent a message that is no QMP: {fault.Message}", fault);
        }
    }

    private QmpGreeting Greeting(JsonElement root)
    {
        if (!root.TryGetProperty("QMP", out JsonElement greeting))
        {
            throw new ProtocolException(ErrorIds.QmpInvalid, "The monitor's first message is no QMP greeting.");
        }

        _greeted = true;
        JsonElement version = greeting.GetProperty("version").GetProperty("qemu");
        int Part(string name) => Math.Max(0, version.GetProperty(name).GetInt32());
        return new QmpGreeting(new Version(Part("major"), Part("minor"), Part("micro")));
    }

    private static QmpEventMessage Event(JsonElement root, JsonElement name) => new(new QemuEvent(
        name.GetString() ?? throw new FormatException("an event without a name"),
        root.TryGetProperty("data", out JsonElement data) ? data.Clone() : default));

    private QmpMessage? Answer(JsonElement root)
    {
        if (root.TryGetProperty("id", out JsonElement other)
            && !(other.ValueKind == JsonValueKind.Number && other.TryGetInt64(out long number) && number >= firstId && number <= _lastId))
        {
            return null;
        }

        if (!root.TryGetProperty("id", out JsonElement id) || !_open.Remove(id.GetInt64()))
        {
            string text = root.TryGetProperty("error", out JsonElement refusal) ? refusal.GetProperty("desc").GetString() ?? string.Empty : "no error";
            throw new ProtocolException(ErrorIds.QmpInvalid, $"The monitor answered a command that was not given ({text}).");
        }

        return root.TryGetProperty("error", out JsonElement error)
            ? new QmpFailure(id.GetInt64(), error.GetProperty("class").GetString()!, error.GetProperty("desc").GetString()!)
            : new QmpReply(id.GetInt64(), root.GetProperty("return").Clone());
    }
}
