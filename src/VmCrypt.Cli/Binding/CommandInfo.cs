using System.Management.Automation;
using System.Reflection;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;

namespace VmCrypt.Cli.Binding;

/// <summary>A command class, as its attributes describe it.</summary>
internal sealed class CommandInfo
{
    private CommandInfo(Type type, CmdletAttribute cmdlet)
    {
        Type = type;
        Cmdlet = cmdlet;
        Parameters = [.. CommandParameter.Of(type), .. SharedParameters(type)];
        string[] sets = [.. Parameters.SelectMany(parameter => parameter.Declarations).Select(declaration => declaration.ParameterSetName)
            .Where(set => set != ParameterAttribute.AllParameterSets).Distinct()];
        ParameterSets = sets.Length > 0 ? sets : [ParameterAttribute.AllParameterSets];
    }

    /// <summary>Every command there is, by name.</summary>
    public static IReadOnlyList<CommandInfo> All { get; } =
        [.. from type in typeof(VmCryptCmdlet).Assembly.GetTypes()
            let command = Of(type)
            where command is not null
            orderby command.Cmdlet.NounName, command.Cmdlet.VerbName
            select command];

    public Type Type { get; }

    public CmdletAttribute Cmdlet { get; }

    public string Name => $"{Cmdlet.VerbName}-{Cmdlet.NounName}";

    public IReadOnlyList<CommandParameter> Parameters { get; }

    public IReadOnlyList<string> ParameterSets { get; }

    /// <summary>The command that a class is; null where it is none.</summary>
    public static CommandInfo? Of(Type type) => type.GetCustomAttribute<CmdletAttribute>() is { } cmdlet ? new CommandInfo(type, cmdlet) : null;

    public static CommandInfo Find(string name) =>
        All.FirstOrDefault(command => command.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new InvalidInputException(ErrorIds.CommandNotFound, $"There is no command '{name}'; run vmcrypt -Help for a list.");

    public VmCryptCmdlet Create() => (VmCryptCmdlet)Activator.CreateInstance(Type)!;

    // Which group of parameters a command shares with others, only one that is there can tell.
    private static IReadOnlyList<CommandParameter> SharedParameters(Type type)
    {
        using var command = typeof(IDynamicParameters).IsAssignableFrom(type) ? (IDisposable)Activator.CreateInstance(type)! : null;
        return command is IDynamicParameters sharing ? [.. CommandParameter.GroupsOf(sharing).SelectMany(group => CommandParameter.Of(group.GetType()))] : [];
    }
}
