using System.Management.Automation;
using VmCrypt.Core.Luks;

namespace VmCrypt.Commands.Keys;

/// <summary>Makes LUKS1 headers LUKS2 headers, in their place.</summary>
[Cmdlet(VerbsData.ConvertTo, "Luks2", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High, DefaultParameterSetName = "Path")]
[OutputType(typeof(ConvertedHeader))]
public sealed class ConvertToLuks2Command : ConvertHeaderCmdlet
{
    private protected override LuksVersion Target => LuksVersion.Luks2;

    private protected override string Remark =>
        "QEMU does not open LUKS2: a VM needs the disk unlocked by Unlock-Image or by dm-crypt, or converted back by ConvertTo-Luks1. Its key slots still have PBKDF2; Set-KeySlot gives them Argon2id.";
}
