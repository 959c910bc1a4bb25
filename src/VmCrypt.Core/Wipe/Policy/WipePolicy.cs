using System.Text.Json;
using System.Text.Json.Serialization;

namespace VmCrypt.Core.Wipe.Policy;

/// <summary>What may be done with the disks of one VM.</summary>
public sealed record WipePolicy
{
    /// <summary>The name of the entry for VMs that have none of their own.</summary>
    public const string EveryVM = "*";

    /// <summary>Name or UUID, or <see cref="EveryVM"/>.</summary>
    public required string Vm { get; init; }

    /// <summary>Its disks may be wiped.</summary>
    public required bool DeepErase { get; init; }

    /// <summary>Its disks may be deleted without a wipe.</summary>
    public required bool Erase { get; init; }

    /// <summary>The only standard to wipe with; null for any.</summary>
    public string? RequiredStandard { get; init; }

    /// <summary>The wipe has to be confirmed a second time, by naming the VM.</summary>
    public bool SecondConfirmation { get; init; }

    // Has a setter, because the generated reader would put null over the default of an init-only member.
    /// <summary>Paths of its disks, with <c>*</c> and <c>?</c>: the policy holds for them even where nobody says whose they are.</summary>
    public string[] Disks { get; set; } = [];
}

internal sealed record WipePolicyTable
{
    public WipePolicy[] Policies { get; set; } = [];
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Strict, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(WipePolicyTable))]
internal sealed partial class WipePolicyContext : JsonSerializerContext;
