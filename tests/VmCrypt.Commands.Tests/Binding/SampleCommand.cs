using System.Management.Automation;
using System.Security;
using VmCrypt.Cli.Binding;
using VmCrypt.Commands.Host;

namespace VmCrypt.Commands.Tests.Binding;

/// <summary>One parameter of every kind that the binder knows.</summary>
[Cmdlet(VerbsDiagnostic.Test, "Sample", DefaultParameterSetName = "Path")]
public sealed class SampleCommand : VmCryptCmdlet
{
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = "Path")]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = "LiteralPath")]
    [Alias("PSPath")]
    public string[] LiteralPath { get; set; } = [];

    [Parameter(Position = 1, ValueFromPipelineByPropertyName = true)]
    [ByteSize]
    [ValidateRange(1L, long.MaxValue)]
    public long? Size { get; set; }

    [Parameter]
    public DayOfWeek Day { get; set; }

    [Parameter]
    public SwitchParameter Force { get; set; }

    [Parameter]
    public bool? Flag { get; set; }

    [Parameter]
    [ValidateRange(0, 7)]
    public int Slot { get; set; } = -1;

    [Parameter]
    [ValidateSet("off", "full")]
    public string? Mode { get; set; }

    [Parameter]
    [ValidatePattern("^[a-z]+$")]
    public string? Model { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Label { get; set; }

    [Parameter]
    public Guid? Uuid { get; set; }

    [Parameter]
    public DateTime? Since { get; set; }

    [Parameter]
    public SecureString? Passphrase { get; set; }

    internal static ArgumentBinder Bind(SampleCommand target, params string[] arguments)
    {
        CommandInfo command = CommandInfo.Of(typeof(SampleCommand))!;
        return new ArgumentBinder(command, target, new ArgumentParser([.. command.Parameters, .. CommonParameters.For(command)]).Parse(arguments));
    }

    private protected override void Process()
    {
    }
}
