using System.Management.Automation;
using VmCrypt.Core.Luks;

namespace VmCrypt.Commands.Keys;

/// <summary>Makes LUKS2 headers LUKS1 headers, in their place.</summary>
[Cmdlet(VerbsData.ConvertTo, "Luks1", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High, DefaultParameterSetName = "Path")]
[OutputType(typeof(ConvertedHeader))]
public sealed class ConvertToLuks1Command : ConvertHeaderCmdlet
{
    private protected override LuksVersion Target => LuksVersion.Luks1;

    private protected override string? Remark => null;
}
