using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Wipe;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Commands.Wipe;

/// <summary>Overwrites disks so that their data is gone, and says what may be left.</summary>
[Cmdlet(VerbsLifecycle.Invoke, "SecureWipe", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High, DefaultParameterSetName = PathSet)]
[OutputType(typeof(WipeResult))]
public sealed class InvokeSecureWipeCommand : WipeCmdlet
{
    private const string PathSet = "Path";
    private const string LiteralPathSet = "LiteralPath";
    private const string FreeSpaceSet = "FreeSpace";
    private const long Megabyte = 1_000_000;

    private readonly List<WipeGroup> _queue = [];
    private WipeStandards? _standards;

    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true, ParameterSetName = PathSet)]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = LiteralPathSet)]
    [Alias("PSPath", "LP")]
    [ValidateNotNullOrEmpty]
    public string[] LiteralPath { get; set; } = [];

    /// <summary>Folders whose file systems' free space is wiped.</summary>
    [Parameter(Mandatory = true, ParameterSetName = FreeSpaceSet)]
    [ValidateNotNullOrEmpty]
    public string[] FreeSpace { get; set; } = [];

    /// <summary>Bytes to leave free.</summary>
    [Parameter(ParameterSetName = FreeSpaceSet)]
    [ByteSize]
    [ValidateRange(0L, long.MaxValue)]
    public long? Reserve { get; set; }

    /// <summary>A name or alias of Get-WipeStandard.</summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    public string? Standard { get; set; }

    [Parameter]
    public VerifyMode? Verify { get; set; }

    /// <summary>A pass of zeros at the end.</summary>
    [Parameter]
    public SwitchParameter Blank { get; set; }

    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int ThrottleMBps { get; set; }

    /// <summary>Let everybody else's I/O go first.</summary>
    [Parameter]
    public SwitchParameter IdlePriority { get; set; }

    /// <summary>How often the target is flushed and its journal saved.</summary>
    [Parameter]
    [ValidateRange(0, 3600)]
    public int FlushSeconds { get; set; } = 5;

    /// <summary>How many targets at once.</summary>
    [Parameter]
    [ValidateRange(1, 64)]
    public int ThrottleLimit { get; set; } = 1;

    [Parameter]
    public AfterWipe After { get; set; }

    [Parameter]
    public WipeInclude[] Include { get; set; } = [];

    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string? DetachedHeader { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? StatePath { get; set; }

    /// <summary>The VM that the disks belong to.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("VMName")]
    public string? VM { get; set; }

    /// <summary>The VM's name once more.</summary>
    [Parameter]
    public string? ConfirmVM { get; set; }

    [Parameter]
    public SwitchParameter AllowLinks { get; set; }

    [Parameter]
    public SwitchParameter Restart { get; set; }

    /// <summary>Do not ask, and wipe even what other images are built on.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void Begin()
    {
        base.Begin();
        _standards = Run(token => new ValueTask<WipeStandards>(WipeStandards.LoadAsync(ConfigurationFolder.Default, token)));
        _ = ChosenStandard;
    }

    private protected override void Process()
    {
        if (Shell.ParameterSet == FreeSpaceSet)
        {
            foreach (string folder in FreeSpace)
            {
                Attempt(folder, () => WipeFreeSpace(Shell.ResolveNewPath(folder)));
            }

            return;
        }

        bool literal = Shell.ParameterSet == LiteralPathSet;
        foreach (string path in literal ? LiteralPath : Path)
        {
            Attempt(path, () =>
            {
                foreach (string found in Shell.ResolvePaths(path, literal))
                {
                    Attempt(found, () => Take(found));
                }
            });
        }
    }

    private protected override void End()
    {
        if (_queue.Count == 0)
        {
            return;
        }

        var wipes = new ParallelWipes(Service, _queue, ThrottleLimit, StopToken);
        try
        {
            while (Run((progress, _) => wipes.NextAsync(progress)) is { } outcome)
            {
                Report(outcome);
            }
        }
        finally
        {
            wipes.Join();
        }
    }

    private WipeStandard? ChosenStandard => Standard is null ? null : _standards![Standard];

    private void Take(string path)
    {
        var request = new WipeRequest
        {
            Path = path,
            Standard = ChosenStandard,
            Verify = Verify,
            Blank = Blank,
            BytesPerSecond = ThrottleMBps * Megabyte,
            Idle = IdlePriority,
            FlushEvery = TimeSpan.FromSeconds(FlushSeconds),
            After = After,
            StatePath = StatePath is null ? null : Shell.ResolveNewPath(StatePath),
            AllowLinks = AllowLinks,
            Force = Force,
            Restart = Restart,
            HeaderPath = string.IsNullOrEmpty(DetachedHeader) ? null : Shell.ResolveNewPath(DetachedHeader),
            VM = VM,
            ConfirmedVM = ConfirmVM,
            Include = Include.Aggregate(WipeInclude.None, (all, one) => all | one),
        };
        IReadOnlyList<WipeRequest> all = Run(token => new ValueTask<IReadOnlyList<WipeRequest>>(WipeService.ExpandAsync(request, token)));
        WipeRequest?[] confirmed = [.. all.Select(Confirm)];
        if (confirmed[0] is not null)
        {
            TakeGroup(new WipeGroup([.. confirmed.OfType<WipeRequest>()]));
        }
        else if (confirmed.Any(one => one is not null))
        {
            Shell.WriteWarning($"{path}: it stays, and so does what belongs to it.");
        }
    }

    /// <summary>The request, bound to what was planned; null where it is refused, or the user does not want it.</summary>
    private WipeRequest? Confirm(WipeRequest request)
    {
        WipeRequest? confirmed = null;
        Attempt(request.Path, () =>
        {
            WipePlan plan = Run(token => new ValueTask<WipePlan>(Service.PlanAsync(request, token)));
            if (Shell.ShouldProcess(request.Path, WipePlans.Describe(plan), Force))
            {
                confirmed = request with { PlannedIdentity = plan.Identity };
            }
        });
        return confirmed;
    }

    private void TakeGroup(WipeGroup group)
    {
        if (ThrottleLimit > 1)
        {
            _queue.Add(group);
            return;
        }

        var ended = new List<WipeOutcome>();
        Run((progress, token) => new ValueTask(group.RunAsync(Service, _ => progress, ended.Add, token)));
        ended.ForEach(Report);
    }

    private void Report(WipeOutcome outcome) => Attempt(outcome.Request.Path, () => Report(outcome.Result ?? throw outcome.Fault!));

    private void WipeFreeSpace(string folder)
    {
        var request = new FreeSpaceRequest
        {
            Folder = folder,
            Standard = ChosenStandard ?? _standards!["Zero"],
            Verify = Verify,
            ReserveBytes = Reserve,
            StatePath = StatePath is null ? null : Shell.ResolveNewPath(StatePath),
            Restart = Restart,
            FlushEvery = TimeSpan.FromSeconds(FlushSeconds),
            BytesPerSecond = ThrottleMBps * Megabyte,
            Idle = IdlePriority,
        };
        long bytes = WipeService.MeasureFreeSpace(request);
        if (Shell.ShouldProcess(folder, WipePlans.Describe(request, bytes), Force))
        {
            Report(Run((progress, token) => new ValueTask<WipeResult>(Service.RunFreeSpaceAsync(request, progress, token))));
        }
    }
}
