using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Database;
using VmCrypt.Core.Machines;

namespace VmCrypt.Commands.Database;

/// <summary>The database of this host.</summary>
/// <param name="Location">Where it is and as whom this host is there; null for none.</param>
public sealed record HostDatabaseFacts(string? Location);

/// <summary>Gives this host a database that it shares with others, or takes it away.</summary>
[Cmdlet(VerbsCommon.Set, "HostDatabase", SupportsShouldProcess = true, DefaultParameterSetName = SetSet)]
[OutputType(typeof(HostDatabaseFacts))]
public sealed class SetHostDatabaseCommand : VmCryptCmdlet
{
    private const string SetSet = "Set";
    private const string RemoveSet = "Remove";

    /// <summary>As Npgsql reads it, without a password.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = SetSet)]
    [ValidateNotNullOrEmpty]
    public string ConnectionString { get; set; } = string.Empty;

    /// <summary>Copy the USB lists and wipe policies of this host that the database has not.</summary>
    [Parameter(ParameterSetName = SetSet)]
    public SwitchParameter Upload { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = RemoveSet)]
    public SwitchParameter Remove { get; set; }

    private protected override void Process()
    {
        ConfigurationFolder folder = ConfigurationFolder.Default;
        string? connection = Remove ? null : ConnectionString;
        if (Shell.ShouldProcess(folder.Path, Remove ? "Go back to the host's own files" : "Keep keys, wipe policy, USB lists and a copy of the audit log in the database"))
        {
            Run(token => new ValueTask(SharedState.UseAsync(folder, connection, Upload, token)));
            Shell.WriteObject(new HostDatabaseFacts(Run(async token => (await HostDatabase.OfAsync(folder, token))?.Name)));
        }
    }
}
