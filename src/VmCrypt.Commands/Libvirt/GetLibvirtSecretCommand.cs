using System.IO.Enumeration;
using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Libvirt;

namespace VmCrypt.Commands.Libvirt;

/// <summary>Lists the secrets that libvirt keeps, without their values.</summary>
[Cmdlet(VerbsCommon.Get, "LibvirtSecret")]
[OutputType(typeof(LibvirtSecret))]
public sealed class GetLibvirtSecretCommand : VmCryptCmdlet
{
    /// <summary>Only the secrets of these images or names; wildcards are matched.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("Path")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[] Name { get; set; } = [];

    [Parameter]
    public Guid[] Uuid { get; set; } = [];

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string ConnectUri { get; set; } = LibvirtParameter.DefaultConnectUri;

    private protected override void Process()
    {
        foreach (LibvirtSecret secret in Run(async token => await new LibvirtSecrets(ConnectUri).ListAsync(token)))
        {
            if ((Name.Length == 0 || Name.Any(name => FileSystemName.MatchesSimpleExpression(name, secret.Name, ignoreCase: false))) && (Uuid.Length == 0 || Uuid.Contains(secret.Uuid)))
            {
                Shell.WriteObject(secret);
            }
        }
    }
}
