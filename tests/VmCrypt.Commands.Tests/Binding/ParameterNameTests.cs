using VmCrypt.Cli.Binding;

namespace VmCrypt.Commands.Tests.Binding;

/// <summary>Every command and all of its parameters have names of their own in both hosts.</summary>
public sealed class ParameterNameTests
{
    // PowerShell 7.6: about_CommonParameters, and WhatIf and Confirm of those that change something. A command whose parameter or
    // alias is one of these cannot be called there at all.
    private static readonly string[] s_taken =
    [
        "Debug", "db", "ErrorAction", "ea", "ErrorVariable", "ev", "InformationAction", "infa", "InformationVariable", "iv",
        "OutBuffer", "ob", "OutVariable", "ov", "PipelineVariable", "pv", "ProgressAction", "proga", "Verbose", "vb",
        "WarningAction", "wa", "WarningVariable", "wv", "WhatIf", "wi", "Confirm", "cf", "UseTransaction", "usetx",
    ];

    public static TheoryData<string> Commands() => [.. CommandInfo.All.Select(command => command.Name)];

    [Theory]
    [MemberData(nameof(Commands))]
    public void No_parameter_has_a_name_of_the_hosts(string name)
    {
        // Add-KeyToken takes a token's JSON as -Json; there vmcrypt's own -Json gives way, and a pipe shows JSON anyway.
        IEnumerable<string> vmcrypt = CommonParameters.All.SelectMany(Names).Where(common => common != nameof(CommonParameters.Json));
        string[] taken = [.. s_taken, .. vmcrypt];

        Assert.DoesNotContain(CommandInfo.Find(name).Parameters.SelectMany(Names), own => taken.Contains(own, StringComparer.OrdinalIgnoreCase));
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void No_two_parameters_have_the_same_name(string name)
    {
        string[] names = [.. CommandInfo.Find(name).Parameters.SelectMany(Names)];

        Assert.Equal(names.Distinct(StringComparer.OrdinalIgnoreCase), names);
    }

    private static IEnumerable<string> Names(CommandParameter parameter) => [parameter.Name, .. parameter.Aliases];
}
