using System.Management.Automation;

namespace VmCrypt.Cli.Binding;

/// <summary>What every command understands besides its own parameters; in PowerShell the engine brings these along.</summary>
internal sealed class CommonParameters
{
    private static readonly string[] s_ofChanges = [nameof(WhatIf), nameof(Confirm)];

    public static IReadOnlyList<CommandParameter> All { get; } = CommandParameter.Of(typeof(CommonParameters));

    /// <summary>Those that <paramref name="command"/> has: a command that knows no -WhatIf must not seem to heed it.</summary>
    public static IEnumerable<CommandParameter> For(CommandInfo command) =>
        All.Where(parameter => command.Cmdlet.SupportsShouldProcess || !s_ofChanges.Contains(parameter.Name));

    public static CommonParameters From(ParsedArguments arguments)
    {
        var common = new CommonParameters();
        foreach (CommandParameter parameter in All)
        {
            if (arguments.Named.TryGetValue(parameter, out IReadOnlyList<string>? texts))
            {
                parameter.SetValue(common, ArgumentConverter.Convert(parameter, texts));
            }
        }

        return common;
    }

    [Parameter]
    [Alias("vb")]
    public SwitchParameter Verbose { get; set; }

    [Parameter]
    [Alias("ea")]
    public ErrorAction ErrorAction { get; set; }

    [Parameter]
    [Alias("wi")]
    public SwitchParameter WhatIf { get; set; }

    /// <summary>On: ask before every change; off: never ask; not given: ask before grave ones.</summary>
    [Parameter]
    [Alias("cf")]
    public SwitchParameter? Confirm { get; set; }

    /// <summary>Print JSON lines on a terminal too.</summary>
    [Parameter]
    public SwitchParameter Json { get; set; }

    /// <summary>On a terminal, show every object as a list of all that there is to say.</summary>
    [Parameter]
    public SwitchParameter List { get; set; }

    [Parameter]
    [Alias("h", "?")]
    public SwitchParameter Help { get; set; }
}

/// <summary>What an error of one record does to the rest.</summary>
public enum ErrorAction
{
    Continue,
    Stop,
    SilentlyContinue,
}
