using VmCrypt.Core.Audit;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Database;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Core.Wipe.Policy;

/// <summary>What the policy makes of a request.</summary>
/// <param name="DeleteOnly">Erasing is not allowed, deleting is, and was asked for.</param>
/// <param name="Standard">The standard to wipe with.</param>
public sealed record PolicyDecision(bool DeleteOnly, WipeStandard Standard);

/// <summary>The permission table of this host, or of all hosts that share its database. Where it says nothing, everything is allowed; it never allows more than it says.</summary>
public sealed class WipePolicies(ConfigurationFolder folder)
{
    public const string FileName = "wipe-policy.json";

    private readonly AuditLog _audit = AuditLog.Of(folder);

    public async Task<IReadOnlyList<WipePolicy>> ListAsync(CancellationToken cancellationToken) =>
        (await (await StoreAsync(cancellationToken)).ReadAsync(cancellationToken)).Policies;

    /// <summary>Adds the policy of a VM or replaces it.</summary>
    public async Task SetAsync(WipePolicy policy, CancellationToken cancellationToken)
    {
        IDocument<WipePolicyTable> store = await StoreAsync(cancellationToken);
        await store.UpdateAsync(
            table => table with { Policies = [.. Others(table, policy.Vm).Append(policy).OrderBy(other => other.Vm, StringComparer.OrdinalIgnoreCase)] },
            cancellationToken);
        await WriteAsync("WipePolicy.Set", policy.Vm, ("deepErase", $"{policy.DeepErase}"), ("erase", $"{policy.Erase}"),
            ("standard", policy.RequiredStandard ?? "any"), ("secondConfirmation", $"{policy.SecondConfirmation}"), ("disks", string.Join(", ", policy.Disks)));
    }

    /// <exception cref="MissingException"><see cref="ErrorIds.WipePolicyMissing"/>.</exception>
    public async Task RemoveAsync(string vm, CancellationToken cancellationToken)
    {
        IDocument<WipePolicyTable> store = await StoreAsync(cancellationToken);
        await store.UpdateAsync(
            table => Others(table, vm).ToArray() is var others && others.Length < table.Policies.Length
                ? table with { Policies = others }
                : throw new MissingException(ErrorIds.WipePolicyMissing, $"There is no wipe policy for the VM '{vm}'."),
            cancellationToken);
        await WriteAsync("WipePolicy.Remove", vm);
    }

    /// <summary>Deep erase if allowed, else plain delete if allowed and asked for, else refused.</summary>
    /// <exception cref="RefusedException"><see cref="ErrorIds.WipeNotAllowed"/>, <see cref="ErrorIds.WipeStandardNotAllowed"/>,
    /// <see cref="ErrorIds.WipeConfirmationMissing"/>.</exception>
    public async Task<PolicyDecision> DecideAsync(WipeRequest request, WipeStandards standards, CancellationToken cancellationToken)
    {
        WipePolicy[] policies = [.. Applying(await ListAsync(cancellationToken), request)];
        string whose = request.VM ?? request.Path;
        if (!policies.All(policy => policy.DeepErase))
        {
            return policies.All(policy => policy.Erase) && request.After == AfterWipe.Delete
                ? new PolicyDecision(DeleteOnly: true, standards["Zero"])
                : throw new RefusedException(ErrorIds.WipeNotAllowed, $"The wipe policy of this host does not allow '{whose}' to be erased.");
        }

        WipeStandard standard = StandardOf(policies, request, standards);
        if (policies.FirstOrDefault(policy => policy.SecondConfirmation && !IsConfirmed(policy, request)) is { } cautious)
        {
            throw new RefusedException(ErrorIds.WipeConfirmationMissing,
                $"The wipe policy of '{cautious.Vm}' wants a second confirmation: name the VM once more.");
        }

        return new PolicyDecision(DeleteOnly: false, standard);
    }

    /// <summary>Every policy that speaks of the request; the strictest of them counts. The one for every VM only where no other does.</summary>
    internal static IEnumerable<WipePolicy> Applying(IReadOnlyList<WipePolicy> policies, WipeRequest request)
    {
        WipePolicy[] own = [.. policies.Where(policy => policy.Vm != WipePolicy.EveryVM && SpeaksOf(policy, request))];
        return own.Length > 0 ? own : policies.Where(policy => policy.Vm == WipePolicy.EveryVM);
    }

    private static bool SpeaksOf(WipePolicy policy, WipeRequest request) =>
        string.Equals(policy.Vm, request.VM, StringComparison.OrdinalIgnoreCase)
        || policy.Disks.Any(disk => DiskNames.Of(request.Path).Any(name => DiskNames.Matches(disk, name)) || DiskNames.IsAnotherNameOf(disk, request.Path));

    private static bool IsConfirmed(WipePolicy policy, WipeRequest request)
    {
        string? name = policy.Vm == WipePolicy.EveryVM ? request.VM : policy.Vm;
        return request.Confirmed || (name is not null && string.Equals(name, request.ConfirmedVM, StringComparison.OrdinalIgnoreCase));
    }

    private static WipeStandard StandardOf(WipePolicy[] policies, WipeRequest request, WipeStandards standards)
    {
        string[] required = [.. policies.Select(policy => policy.RequiredStandard).OfType<string>().Distinct(StringComparer.OrdinalIgnoreCase)];
        WipeStandard standard = request.Standard ?? standards[required.FirstOrDefault() ?? "Zero"];
        return required.All(standard.IsNamed)
            ? standard
            : throw new RefusedException(ErrorIds.WipeStandardNotAllowed,
                $"The wipe policy of this host wants the standard {string.Join(" and ", required)} here, not {standard.Name}.");
    }

    private Task<IDocument<WipePolicyTable>> StoreAsync(CancellationToken cancellationToken) =>
        SharedDocuments.OpenAsync(folder, FileName, WipePolicyContext.Default.WipePolicyTable, cancellationToken);

    private static IEnumerable<WipePolicy> Others(WipePolicyTable table, string vm) =>
        table.Policies.Where(policy => !string.Equals(policy.Vm, vm, StringComparison.OrdinalIgnoreCase));

    private Task<AuditReceipt> WriteAsync(string action, string vm, params (string Name, string Value)[] details) => _audit.AppendAsync(
        new AuditEvent(action, vm, "Done") { VM = vm, Details = details.ToDictionary(detail => detail.Name, detail => detail.Value) },
        CancellationToken.None);
}
