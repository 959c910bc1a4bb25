using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Libvirt;

namespace VmCrypt.Commands.Libvirt;

/// <summary>Makes libvirt forget secrets.</summary>
[Cmdlet(VerbsLifecycle.Unregister, "LibvirtSecret", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
public sealed class UnregisterLibvirtSecretCommand : VmCryptCmdlet
{
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    public Guid[] Uuid { get; set; } = [];

    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string ConnectUri { get; set; } = LibvirtParameter.DefaultConnectUri;

    /// <summary>Do not ask.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void Process()
    {
        foreach (Guid uuid in Uuid)
        {
            Attempt(uuid, () =>
            {
                if (Shell.ShouldProcess(uuid.ToString("D"), $"Make libvirt ({ConnectUri}) forget the secret", Force))
                {
                    Run(async token => await new LibvirtSecrets(ConnectUri).UnregisterAsync(uuid, token));
                }
            });
        }
    }
}
