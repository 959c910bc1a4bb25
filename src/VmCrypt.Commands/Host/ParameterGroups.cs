namespace VmCrypt.Commands.Host;

/// <summary>Several groups of parameters, each of which its command shares with others.</summary>
/// <remarks>A host takes one object with further parameters from a command, and a class has one base only.</remarks>
public sealed partial class ParameterGroups
{
    public ParameterGroups(params object[] groups)
    {
        Groups = groups;
        Declare();
    }

    internal IReadOnlyList<object> Groups { get; }

    /// <summary>Gives the groups what the host has bound, where it does not set their properties itself.</summary>
    internal void Take() => TakeValues();

    partial void Declare();

    partial void TakeValues();
}
