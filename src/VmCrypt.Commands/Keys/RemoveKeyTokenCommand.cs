using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>Removes tokens from LUKS2 images, or only takes key slots from them.</summary>
[Cmdlet(VerbsCommon.Remove, "KeyToken", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High, DefaultParameterSetName = "Path")]
public sealed class RemoveKeyTokenCommand : ImageCmdlet
{
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [ValidateRange(0, 31)]
    public int Token { get; set; }

    /// <summary>Keep the token, but let it open these slots no longer.</summary>
    [Parameter]
    [ValidateRange(0, 31)]
    public int[]? KeySlot { get; set; }

    /// <summary>Do not ask.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void ProcessImage(DiskLocation location)
    {
        DiskOpenOptions options = OpenOptions;
        string action = KeySlot is null ? $"Remove token {Token}" : $"Take key slot {string.Join(", ", KeySlot)} from token {Token}";
        if (Shell.ShouldProcess(location.Text, action, Force))
        {
            Run(token => KeySlot is null
                ? KeyTokens.RemoveAsync(location, options, Token, token)
                : KeyTokens.AssignAsync(location, options, Token, present => present.Except(KeySlot), token));
        }
    }
}
