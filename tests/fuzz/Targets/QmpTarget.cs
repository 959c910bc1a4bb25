using VmCrypt.Core.Qemu;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>What a monitor says, in pieces.</summary>
/// <remarks>The first byte says how the bytes are cut into pieces.</remarks>
internal sealed class QmpTarget : IFuzzTarget
{
    private const int Commands = 4;

    public string Name => "qmp";

    public IReadOnlyList<byte[]> Words { get; } = Text.Words(
        "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":22,\"minor\":2,\"major\":7},\"package\":\"\"},\"capabilities\":[\"oob\"]}}", "{\"return\":{},\"id\":1}",
        "{\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"},\"id\":2}", "{\"event\":\"STOP\",\"data\":{},\"timestamp\":{\"seconds\":1,\"microseconds\":2}}",
        "\"id\":", "\"event\":", "\"data\":", "\"QMP\":", "\"error\":", "\"class\":", "\"desc\":", "\"return\":", "null", "true", "[", "]", "{", "}", "\\u0000", "\\ud800", "\"", "\\\"", "1e999", "-1", ",");

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (input.IsEmpty)
        {
            return;
        }

        var session = new QmpSession();
        for (int command = 0; command < Commands; command++)
        {
            session.Command("query-status", arguments: null);
        }

        foreach (ReadOnlyMemory<byte> piece in NbdScript.Pieces(input[1..].ToArray(), input[0]))
        {
            foreach (QmpMessage message in session.Receive(piece.Span))
            {
                trace.Note(message.GetType().Name);
                Use(message, trace);
            }
        }
    }

    private static void Use(QmpMessage message, Trace trace)
    {
        switch (message)
        {
            case QmpFailure failure:
                trace.Note(QemuRefusal.From(failure.ErrorClass, failure.Description).GetType().Name);
                break;
            case QmpEventMessage happening:
                trace.Note($"{happening.Event.Data.ValueKind}", happening.Event.Name.Length);
                break;
            case QmpReply reply:
                trace.Note($"{reply.Result.ValueKind}");
                break;
        }
    }
}
