using System.Text;
using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Core.Tests.Qemu;

public sealed class QmpSessionTests
{
    private const string Greeting = """{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "x"}, "capabilities": ["oob"]}}""";

    private const string Talk = Greeting + "\r\n" + """
        {"return": {"a": "}\"{"}, "id": 1}
        {"timestamp": {"seconds": 1, "microseconds": 2}, "event": "DEVICE_DELETED", "data": {"device": "stick", "path": "/machine/peripheral/stick"}}
        {"id": 2, "error": {"class": "DeviceNotFound", "desc": "Device 'x' not found"}}
        {"timestamp": {"seconds": 1, "microseconds": 3}, "event": "RESUME"}
        """;

    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(64)]
    public void Reads_the_same_messages_whatever_the_pieces(int piece)
    {
        QmpSession session = SessionWithTwoCommands();
        byte[] bytes = Encoding.UTF8.GetBytes(Talk);

        List<QmpMessage> messages = [];
        for (int at = 0; at < bytes.Length; at += Math.Min(piece, bytes.Length - at))
        {
            messages.AddRange(session.Receive(bytes.AsSpan(at, Math.Min(piece, bytes.Length - at))));
        }

        Assert.Equal(new Version(7, 2, 22), Assert.IsType<QmpGreeting>(messages[0]).QemuVersion);
        Assert.Equal("}\"{", Assert.IsType<QmpReply>(messages[1]).Result.GetProperty("a").GetString());
        Assert.Equal("/machine/peripheral/stick", Assert.IsType<QmpEventMessage>(messages[2]).Event.Data.GetProperty("path").GetString());
        Assert.Equal("DeviceNotFound", Assert.IsType<QmpFailure>(messages[3]).ErrorClass);
        Assert.Equal("RESUME", Assert.IsType<QmpEventMessage>(messages[4]).Event.Name);
        Assert.Equal(5, messages.Count);
    }

    [Fact]
    public void One_byte_short_is_no_message_yet()
    {
        var session = new QmpSession();

        Assert.Empty(session.Receive(Encoding.UTF8.GetBytes(Greeting[..^1])));
        Assert.Single(session.Receive("}"u8));
    }

    [Fact]
    public void Answers_may_come_in_any_order_and_after_their_command_was_given_up()
    {
        QmpSession session = SessionWithTwoCommands();
        session.Receive(Encoding.UTF8.GetBytes(Greeting));

        Assert.Equal(2, Assert.IsType<QmpReply>(Assert.Single(session.Receive("""{"return": {}, "id": 2}"""u8))).Id);
        Assert.Equal(1, Assert.IsType<QmpReply>(Assert.Single(session.Receive("""{"return": {}, "id": 1}"""u8))).Id);
    }

    [Theory]
    [InlineData("""{"return": {}, "id": 6}""")]
    [InlineData("""{"return": {}, "id": 8}""")]
    [InlineData("""{"return": {}, "id": "libvirt-7"}""")]
    [InlineData("""{"error": {"class": "GenericError", "desc": "of another"}, "id": 1}""")]
    public void What_QEMU_owes_another_client_is_passed_over(string answer)
    {
        var session = new QmpSession(firstId: 7);
        session.Receive(Encoding.UTF8.GetBytes(Greeting));
        session.Command("query-jobs", null);

        Assert.Empty(session.Receive(Encoding.UTF8.GetBytes(answer)));
        Assert.Equal(7, Assert.IsType<QmpReply>(Assert.Single(session.Receive("""{"return": {}, "id": 7}"""u8))).Id);
    }

    [Fact]
    public void A_command_is_one_line_with_an_id()
    {
        (long id, byte[] bytes) = new QmpSession().Command("device_del", new JsonObject { ["id"] = "a\nb" });

        Assert.Equal(1, id);
        Assert.Equal("""{"execute":"device_del","id":1,"arguments":{"id":"a\nb"}}""" + "\n", Encoding.UTF8.GetString(bytes));
    }

    [Theory]
    [InlineData("hello", ErrorIds.QmpInvalid)]
    [InlineData("[1]", ErrorIds.QmpInvalid)]
    [InlineData("{}", ErrorIds.QmpInvalid)]
    [InlineData("""{"QMP": 1}""", ErrorIds.QmpInvalid)]
    [InlineData("""{"QMP": {"version": {"qemu": {"micro": 1, "minor": 2}}}}""", ErrorIds.QmpInvalid)]
    [InlineData("""{"QMP": {"version": {"qemu": {"micro": 1, "minor": 2, "major": "7"}}}}""", ErrorIds.QmpInvalid)]
    [InlineData(Greeting + """{"return": {}}""", ErrorIds.QmpInvalid)]
    [InlineData(Greeting + """{"return": {}, "id": 1}{"return": {}, "id": 1}""", ErrorIds.QmpInvalid)]
    [InlineData(Greeting + """{"id": 1}""", ErrorIds.QmpInvalid)]
    [InlineData(Greeting + """{"id": 1, "error": "no"}""", ErrorIds.QmpInvalid)]
    [InlineData(Greeting + """{"error": {"class": "GenericError", "desc": "JSON parse error"}}""", ErrorIds.QmpInvalid)]
    [InlineData(Greeting + """{"event": 1}""", ErrorIds.QmpInvalid)]
    [InlineData(Greeting + """{"event": "A" "B"}""", ErrorIds.QmpInvalid)]
    public void Refuses_what_is_no_QMP(string bytes, string errorId)
    {
        var error = Assert.Throws<ProtocolException>(() => SessionWithTwoCommands().Receive(Encoding.UTF8.GetBytes(bytes)));
        Assert.Equal(errorId, error.ErrorId);
    }

    [Fact]
    public void Refuses_a_message_without_an_end()
    {
        var session = new QmpSession();
        byte[] endless = new byte[1024 * 1024];
        Array.Fill(endless, (byte)'{');

        Assert.Empty(session.Receive(endless.AsSpan(0, QmpSession.MaxMessageBytes / 16)));
        var error = Assert.Throws<ProtocolException>(() => Feed(session, endless, QmpSession.MaxMessageBytes));
        Assert.Equal(ErrorIds.QmpMessageTooLarge, error.ErrorId);
    }

    [Fact]
    public void Refuses_braces_nested_beyond_reason()
    {
        string deep = string.Concat(Enumerable.Repeat("{\"a\":", 100)) + "1" + new string('}', 100);

        Assert.Equal(ErrorIds.QmpInvalid, Assert.Throws<ProtocolException>(() => new QmpSession().Receive(Encoding.UTF8.GetBytes(deep))).ErrorId);
    }

    private static void Feed(QmpSession session, byte[] piece, int count)
    {
        for (int fed = 0; fed < count; fed += piece.Length)
        {
            session.Receive(piece);
        }
    }

    private static QmpSession SessionWithTwoCommands()
    {
        var session = new QmpSession();
        session.Command("one", null);
        session.Command("two", null);
        return session;
    }
}
