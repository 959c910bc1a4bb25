namespace VmCrypt.Core.Audit;

/// <summary>Something that was done, or refused, and is to be remembered.</summary>
/// <param name="Action">What, as noun and verb: <c>Wipe.Finish</c>, <c>Usb.Eject</c>.</param>
/// <param name="Target">On what: a path, a VM, a device.</param>
/// <param name="Outcome">What came of it: <c>Done</c>, <c>Refused</c>, <c>Failed</c> or the service's own word.</param>
public sealed record AuditEvent(string Action, string Target, string Outcome)
{
    /// <summary>The VM that it concerns, if one.</summary>
    public string? VM { get; init; }

    /// <summary>Further facts, in any order; never a secret.</summary>
    public IReadOnlyDictionary<string, string> Details { get; init; } = new Dictionary<string, string>();
}

/// <summary>The place of an event in the log; the hash stands for it and for everything before it.</summary>
public sealed record AuditReceipt(long Sequence, string Hash);

/// <summary>An event as the log holds it.</summary>
public sealed record AuditEntry(
    AuditReceipt Receipt, DateTimeOffset Time, string Host, string Operator, AuditEvent Event);
