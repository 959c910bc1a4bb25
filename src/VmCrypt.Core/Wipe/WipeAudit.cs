using VmCrypt.Core.Audit;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Wipe;

/// <summary>What the wipe writes into the audit log. Never cancelled with the wipe: a stop is exactly what has to be written down.</summary>
internal sealed class WipeAudit(AuditLog log)
{
    /// <summary>Runs <paramref name="work"/>; what it refuses is written down and thrown on.</summary>
    public async Task<WipeResult> RefusalsOfAsync(WipeRequest request, Func<Task<WipeResult>> work)
    {
        try
        {
            return await work();
        }
        catch (VmCryptException refusal)
        {
            await WriteAsync("Wipe.Refuse", request, "Refused", ("error", refusal.ErrorId), ("reason", refusal.Message));
            throw;
        }
    }

    public Task BeginAsync(WipeSession session) => WriteAsync("Wipe.Begin", session.Request, "Started", session.BeginFacts);

    public Task<WipeResult> EndAsync(WipeSession session, WipeResult result) =>
        WithReceiptAsync("Wipe.End", session.Request, result, WipeSession.EndFacts(result));

    public Task<WipeResult> DeletedAsync(WipeRequest request, WipeResult result) => WithReceiptAsync("Wipe.Delete", request, result);

    public Task KeysErasedAsync(WipeRequest request, KeyErasure keys) => WriteAsync(
        "Wipe.EraseKeys", request, keys.Verified ? "Done" : "Failed", ("uuid", keys.Uuid), ("slots", $"{keys.SlotsDestroyed}"));

    // What was done is done: a log that fails now must not hide the result.
    private async Task<WipeResult> WithReceiptAsync(string action, WipeRequest request, WipeResult result, params (string Name, string Value)[] details)
    {
        try
        {
            return result with { Audit = await WriteAsync(action, request, result.Status.ToString(), details) };
        }
        catch (VmCryptException fault)
        {
            var finding = new WipeFinding(FindingKind.AuditIncomplete, FindingWeight.Note, $"The audit log could not be written: {fault.Message}");
            return result with { Findings = [.. result.Findings, finding] };
        }
    }

    private Task<AuditReceipt> WriteAsync(string action, WipeRequest request, string outcome, params (string Name, string Value)[] details) =>
        log.AppendAsync(
            new AuditEvent(action, request.Path, outcome) { VM = request.VM, Details = details.ToDictionary(detail => detail.Name, detail => detail.Value) },
            CancellationToken.None);
}
