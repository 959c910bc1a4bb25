using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Wipe.Policy;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Commands.Wipe;

/// <summary>Says what may be done with the disks of a VM.</summary>
[Cmdlet(VerbsCommon.Set, "WipePolicy", SupportsShouldProcess = true, DefaultParameterSetName = SetSet)]
[OutputType(typeof(WipePolicy))]
public sealed class SetWipePolicyCommand : VmCryptCmdlet
{
    private const string SetSet = "Set";
    private const string RemoveSet = "Remove";

    /// <summary>Names or UUIDs; * for every VM that has no policy of its own.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("Name", "VMName")]
    [ValidateNotNullOrEmpty]
    public string[] VM { get; set; } = [];

    [Parameter(ParameterSetName = SetSet)]
    public bool? DeepErase { get; set; }

    [Parameter(ParameterSetName = SetSet)]
    public bool? Erase { get; set; }

    /// <summary>Empty for any.</summary>
    [Parameter(ParameterSetName = SetSet)]
    public string? RequiredStandard { get; set; }

    [Parameter(ParameterSetName = SetSet)]
    public bool? SecondConfirmation { get; set; }

    /// <summary>Paths of its disks, with * and ?.</summary>
    [Parameter(ParameterSetName = SetSet)]
    public string[]? Disk { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = RemoveSet)]
    public SwitchParameter Remove { get; set; }

    [Parameter(ParameterSetName = SetSet)]
    public SwitchParameter PassThru { get; set; }

    private protected override void Process()
    {
        var policies = new WipePolicies(ConfigurationFolder.Default);
        foreach (string vm in VM)
        {
            Attempt(vm, () =>
            {
                if (Remove)
                {
                    Take(policies, vm);
                }
                else
                {
                    Set(policies, vm);
                }
            });
        }
    }

    private void Take(WipePolicies policies, string vm)
    {
        if (Shell.ShouldProcess(vm, "Remove the wipe policy"))
        {
            Run(token => new ValueTask(policies.RemoveAsync(vm, token)));
        }
    }

    // What is not named stays as it is; in a new policy it is not allowed.
    private void Set(WipePolicies policies, string vm)
    {
        WipePolicy? old = Run(token => new ValueTask<IReadOnlyList<WipePolicy>>(policies.ListAsync(token)))
            .FirstOrDefault(policy => string.Equals(policy.Vm, vm, StringComparison.OrdinalIgnoreCase));
        var policy = new WipePolicy
        {
            Vm = vm,
            DeepErase = DeepErase ?? old?.DeepErase ?? false,
            Erase = Erase ?? old?.Erase ?? false,
            RequiredStandard = RequiredStandard is null ? old?.RequiredStandard : NameOf(RequiredStandard),
            SecondConfirmation = SecondConfirmation ?? old?.SecondConfirmation ?? false,
            Disks = Disk ?? old?.Disks ?? [],
        };
        string standard = policy.RequiredStandard is { } name ? $" by {name}" : string.Empty;
        if (Shell.ShouldProcess(vm, $"Set the wipe policy: wipe{standard} {Word(policy.DeepErase)}, delete {Word(policy.Erase)}"))
        {
            Run(token => new ValueTask(policies.SetAsync(policy, token)));
            if (PassThru)
            {
                Shell.WriteObject(policy);
            }
        }
    }

    private string? NameOf(string standard) => standard.Length == 0
        ? null
        : Run(token => new ValueTask<WipeStandards>(WipeStandards.LoadAsync(ConfigurationFolder.Default, token)))[standard].Name;

    private static string Word(bool allowed) => allowed ? "allowed" : "forbidden";
}
