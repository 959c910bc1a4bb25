using VmCrypt.Core.Audit;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Wipe;

/// <summary>What the wipe writes into the audit log. Never cancelled with the wipe: a stop is exactly what has to be written down.</summary>
internal sealed class WipeAudit(AuditLog log)
{
    /// <summary>Runs <paramref name="work"/>; what it refuses, or fails at, is written down and thrown on.</summary>
    public async Task<WipeResult> RefusalsOfAsync(WipeRequest request, Func<Task<WipeResult>> work)
    {
        try
        {
            return await work();
        }
        catch (VmCryptException refusal)
        {
            await RefusedAsync(request, refusal);
            throw;
        }
    }

    public Task DeletingAsync(WipeRequest request) => WriteAsync("Wipe.Begin", request, "Started", ("after", $"{AfterWipe.Delete}"), ("standard", "none: the policy allows no erasing"));

    public Task BeginAsync(WipeSession session) => WriteAsync("Wipe.Begin", session.Request, "Started", session.BeginFacts);

    public Task<WipeResult> EndAsync(WipeSession session, WipeResult result) =>
        WithReceiptAsync("Wipe.End", session.Request, result, WipeSession.EndFacts(result));

    public Task<WipeResult> DeletedAsync(WipeRequest request, WipeResult result) => WithReceiptAsync("Wipe.Delete", request, result);

    public Task KeysErasedAsync(WipeRequest request, KeyErasure keys) => WriteAsync(
        "Wipe.EraseKeys", request, keys.Verified ? "Done" : "Failed", ("uuid", keys.Uuid), ("slots", $"{keys.SlotsDestroyed}"));

    // A log that cannot be written must not hide why.
    private async Task RefusedAsync(WipeRequest request, VmCryptException refusal)
    {
        try
        {
            (string action, string outcome) = refusal is DeviceFaultException ? ("Wipe.Fail", "Failed") : ("Wipe.Refuse", "Refused");
            await WriteAsync(action, request, outcome, ("error", refusal.ErrorId), ("reason", refusal.Message));
        }
        catch (VmCryptException)
        {
        }
    }

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
