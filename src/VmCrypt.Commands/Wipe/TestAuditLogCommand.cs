using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Audit;
using VmCrypt.Core.Configuration;

namespace VmCrypt.Commands.Wipe;

/// <summary>Proves that nothing in the audit log was changed, moved or taken out.</summary>
[Cmdlet(VerbsDiagnostic.Test, "AuditLog")]
[OutputType(typeof(AuditReport))]
public sealed class TestAuditLogCommand : VmCryptCmdlet
{
    /// <summary>The log of this host without it.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("PSPath", "FullName")]
    [ValidateNotNullOrEmpty]
    public string? Path { get; set; }

    /// <summary>The hash of an entry, as a certificate names it, that must be in the log.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Contains { get; set; }

    private protected override void Process()
    {
        string path = Path is null ? ConfigurationFolder.Default["audit.log"] : Shell.ResolveNewPath(Path);
        Attempt(path, () =>
        {
            AuditReport report = Run(token => new ValueTask<AuditReport>(Log(path).VerifyAsync(Contains, token)));
            Shell.WriteAnswer(report, report.IsUnbroken && report.ContainsEntry != false);
        });
    }

    // The log of this host is held against its copy in the database, where there is one.
    private AuditLog Log(string path) => Path is null ? AuditLog.Of(ConfigurationFolder.Default) : new AuditLog(path);
}
