using System.Management.Automation;
using VmCrypt.Core.Wipe;

namespace VmCrypt.Commands.Wipe;

/// <summary>Goes on with wipes that were stopped.</summary>
[Cmdlet(VerbsLifecycle.Resume, "SecureWipe", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(WipeResult))]
public sealed class ResumeSecureWipeCommand : WipeCmdlet
{
    /// <summary>The target, or the journal itself.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("JournalPath", "PSPath")]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? StatePath { get; set; }

    /// <summary>Do not ask.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void Process()
    {
        string? state = StatePath is null ? null : Shell.ResolveNewPath(StatePath);
        foreach (string path in Path)
        {
            Attempt(path, () =>
            {
                string full = Shell.ResolveNewPath(path);
                if (Shell.ShouldProcess(full, "Go on with the wipe that was stopped", Force))
                {
                    Report(Run((progress, token) => new ValueTask<WipeResult>(Service.ResumeAsync(full, state, progress, token))));
                }
            });
        }
    }
}
