using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>What was found wrong with an image, and what was done about it.</summary>
/// <param name="Path">The image.</param>
/// <param name="DetachedHeader">Where its header lies if not in the image.</param>
/// <param name="Repaired">Something was wrong and is right now.</param>
/// <param name="Finding">A sentence.</param>
public sealed record ImageRepair(string Path, string? DetachedHeader, bool Repaired, string Finding);

/// <summary>Writes damaged copies of LUKS2 headers anew from the good ones.</summary>
[Cmdlet(VerbsDiagnostic.Repair, "Image", SupportsShouldProcess = true, DefaultParameterSetName = "Path")]
[OutputType(typeof(ImageRepair))]
public sealed class RepairImageCommand : ImageCmdlet
{
    private protected override void ProcessImage(DiskLocation location)
    {
        DiskOpenOptions options = OpenOptions;
        HeaderRepair repair = Run(token => HeaderRepair.PlanAsync(location, options, token));
        try
        {
            if (repair.Damage is not { } damage)
            {
                string finding = repair.Version == LuksVersion.Luks2
                    ? "Nothing to do: both copies of the LUKS2 header are good."
                    : "Nothing to do: the LUKS1 header is good. There is only one copy of it.";
                Shell.WriteObject(new ImageRepair(location.Text, options.HeaderPath, Repaired: false, finding));
            }
            else if (Shell.ShouldProcess(location.Text, $"Write the damaged copy of the LUKS2 header anew from the good one. {damage.Message}"))
            {
                Run(repair.RunAsync);
                Shell.WriteObject(new ImageRepair(location.Text, options.HeaderPath, Repaired: true, damage.Message));
            }
        }
        finally
        {
            Run(_ => repair.DisposeAsync());
        }
    }
}
