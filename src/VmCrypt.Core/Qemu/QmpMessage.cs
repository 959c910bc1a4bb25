using System.Text.Json;

namespace VmCrypt.Core.Qemu;

/// <summary>Something that a monitor says.</summary>
internal abstract record QmpMessage;

/// <summary>The first message of a connection.</summary>
internal sealed record QmpGreeting(Version QemuVersion) : QmpMessage;

/// <summary>The answer to the command with this id.</summary>
internal sealed record QmpReply(long Id, JsonElement Result) : QmpMessage;

/// <summary>QEMU's refusal of the command with this id.</summary>
internal sealed record QmpFailure(long Id, string ErrorClass, string Description) : QmpMessage;

/// <summary>Something that happened in the VM, unasked.</summary>
public sealed record QemuEvent(string Name, JsonElement Data);

internal sealed record QmpEventMessage(QemuEvent Event) : QmpMessage;
