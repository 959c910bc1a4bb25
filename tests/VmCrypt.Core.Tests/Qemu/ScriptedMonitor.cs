using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Core.Tests.Qemu;

/// <summary>A monitor that answers as told, and remembers what it was asked.</summary>
/// <param name="answers">The answer to a command, as JSON; throws what QEMU refuses.</param>
internal sealed class ScriptedMonitor(Func<string, JsonObject?, string> answers) : IQemuMonitor
{
    public List<(string Command, JsonObject? Arguments)> Asked { get; } = [];

    public ChannelReader<QemuEvent> Events { get; } = Channel.CreateUnbounded<QemuEvent>().Reader;

    public Task<JsonElement> ExecuteAsync(string command, JsonObject? arguments, CancellationToken cancellationToken)
    {
        Asked.Add((command, (JsonObject?)arguments?.DeepClone()));
        using JsonDocument answer = JsonDocument.Parse(answers(command, arguments));
        return Task.FromResult(answer.RootElement.Clone());
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
