using VmCrypt.Cli;
using VmCrypt.Cli.Help;
using VmCrypt.Cli.Output;

var terminal = Terminal.Standard();
switch (args.FirstOrDefault()?.TrimStart('-').ToUpperInvariant())
{
    case null or "HELP" or "H" or "?":
        terminal.Output.Write(HelpText.Overview());
        return CommandRunner.Success;
    case "VERSION":
        terminal.Output.WriteLine(HelpText.Version);
        return CommandRunner.Success;
}

using var signals = new StopSignals();
try
{
    return new CommandRunner(terminal, signals).Run(args);
}
catch (Exception exception)
{
    // Whatever was not foreseen is ours to mend: the report must let us find it.
    terminal.Error.WriteLine($"vmcrypt: InternalError: {exception}");
    return CommandRunner.Defect;
}
