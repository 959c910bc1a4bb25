using System.Management.Automation;
using VmCrypt.Cli.Binding;
using VmCrypt.Cli.Help;
using VmCrypt.Cli.Output;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;

namespace VmCrypt.Cli;

/// <summary>Runs one command from its arguments to the exit code.</summary>
internal sealed class CommandRunner(Terminal terminal, StopSignals signals)
{
    public const int Success = 0;

    /// <summary>A Test- command's answer was no.</summary>
    public const int No = 1;

    public const int Failure = 2;

    /// <summary>A defect of ours: EX_SOFTWARE of sysexits.h.</summary>
    public const int Defect = 70;

    /// <summary>Runs the command that the first argument names with the others.</summary>
    public int Run(IReadOnlyList<string> arguments) => Explain(() => Run(CommandInfo.Find(arguments[0]), [.. arguments.Skip(1)]));

    public int Run(CommandInfo command, IReadOnlyList<string> arguments) => Explain(() =>
    {
        ParsedArguments parsed = new ArgumentParser([.. command.Parameters, .. CommonParameters.For(command)]).Parse(arguments);
        var common = CommonParameters.From(parsed);
        if (!common.Help)
        {
            return Run(command, parsed, common);
        }

        terminal.Output.Write(HelpText.Of(command));
        return Success;
    });

    private int Explain(Func<int> run)
    {
        try
        {
            return run();
        }
        catch (VmCryptException exception)
        {
            terminal.Error.WriteLine($"vmcrypt: {exception.ErrorId}: {exception.Message}");
            return Failure;
        }
    }

    private int Run(CommandInfo command, ParsedArguments parsed, CommonParameters common)
    {
        OutputStyle style = common.List ? OutputStyle.List : common.Json || !terminal.IsOutputTerminal ? OutputStyle.Json : OutputStyle.Table;
        var objects = new ObjectWriter(terminal.Output, style);
        var progress = new ProgressBar(terminal.Error, terminal.IsErrorTerminal, () => terminal.Width);
        var host = new ConsoleHost(command, common, objects, progress, terminal);
        using VmCryptCmdlet cmdlet = command.Create();
        cmdlet.Shell = host;
        using CancellationTokenRegistration stop = signals.Token.Register(cmdlet.DoStopProcessing);
        try
        {
            Execute(cmdlet, host, new ArgumentBinder(command, cmdlet, parsed));
        }
        catch (PipelineStoppedException)
        {
            return signals.ExitCode;
        }
        catch (OperationCanceledException)
        {
            return signals.ExitCode;
        }
        catch (CommandFailedException)
        {
            // The host has said why.
        }
        finally
        {
            host.Flush();
        }

        return host.Failed ? Failure : host.AnsweredNo ? No : Success;
    }

    private void Execute(VmCryptCmdlet cmdlet, ConsoleHost host, ArgumentBinder binder)
    {
        bool records = !terminal.IsInputTerminal && binder.WantsRecords;
        host.ParameterSet = records ? string.Empty : binder.ParameterSet;
        cmdlet.DoBeginProcessing();
        if (!records)
        {
            cmdlet.DoProcessRecord();
        }

        while (records && ReadLine() is { } line)
        {
            if (line.Length > 0)
            {
                ProcessRecord(cmdlet, host, binder, line);
            }
        }

        cmdlet.DoEndProcessing();
    }

    private static void ProcessRecord(VmCryptCmdlet cmdlet, ConsoleHost host, ArgumentBinder binder, string line)
    {
        try
        {
            host.ParameterSet = binder.BindRecord(new PipelineRecord(line));
        }
        catch (InvalidInputException exception) when (ErrorRecords.TryFrom(exception, line, out ErrorRecord? error))
        {
            host.WriteError(error);
            return;
        }

        cmdlet.DoProcessRecord();
    }

    // A signal cannot wake a blocking read, so the read is left behind when we are to stop.
    private string? ReadLine()
    {
        Task<string?> line = Task.Run(terminal.Input.ReadLine);
        line.Wait(signals.Token);
        return line.Result;
    }
}
