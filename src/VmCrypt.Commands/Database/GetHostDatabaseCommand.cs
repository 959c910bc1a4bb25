using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Database;

namespace VmCrypt.Commands.Database;

/// <summary>Tells which database this host shares with others.</summary>
[Cmdlet(VerbsCommon.Get, "HostDatabase")]
[OutputType(typeof(HostDatabaseFacts))]
public sealed class GetHostDatabaseCommand : VmCryptCmdlet
{
    private protected override void Process() =>
        Shell.WriteObject(new HostDatabaseFacts(Run(async token => (await HostDatabase.OfAsync(ConfigurationFolder.Default, token))?.Name)));
}
