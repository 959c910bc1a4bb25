using System.IO.Enumeration;
using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Policy;

namespace VmCrypt.Commands.Wipe;

/// <summary>Lists what may be done with the disks of VMs.</summary>
[Cmdlet(VerbsCommon.Get, "WipePolicy")]
[OutputType(typeof(WipePolicy))]
public sealed class GetWipePolicyCommand : VmCryptCmdlet
{
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("Name", "VMName")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[]? VM { get; set; }

    private protected override void Process()
    {
        var policies = new WipePolicies(ConfigurationFolder.Default);
        IReadOnlyList<WipePolicy> all = Run(token => new ValueTask<IReadOnlyList<WipePolicy>>(policies.ListAsync(token)));
        foreach (string vm in VM ?? ["*"])
        {
            Attempt(vm, () =>
            {
                WipePolicy[] found = [.. all.Where(policy => FileSystemName.MatchesSimpleExpression(vm, policy.Vm))];
                foreach (WipePolicy policy in found.Length > 0 || VM is null ? found : throw Missing(vm))
                {
                    Shell.WriteObject(policy);
                }
            });
        }
    }

    private static MissingException Missing(string vm) => new(ErrorIds.WipePolicyMissing, $"There is no wipe policy for the VM '{vm}'.");
}
