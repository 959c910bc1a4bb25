using System.Management.Automation;
using System.Text.Json;
using VmCrypt.Cli;
using VmCrypt.Cli.Binding;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;

namespace VmCrypt.Commands.Tests.Host;

public sealed class CommandRunnerTests : IDisposable
{
    private readonly StopSignals _signals = new();

    public void Dispose() => _signals.Dispose();

    [Fact]
    public void Prints_a_table_on_a_terminal()
    {
        var terminal = FakeTerminal.Interactive();

        Assert.Equal(0, Run<EchoCommand>(terminal, "a,bcd"));
        Assert.Equal("\nName  Length\n----  ------\na     1\nbcd   3\n\n", terminal.Printed);
    }

    [Fact]
    public void Prints_JSON_lines_into_a_pipe_and_on_demand()
    {
        var pipe = FakeTerminal.Piped();
        var terminal = FakeTerminal.Interactive();

        Run<EchoCommand>(pipe, "a,b");
        Run<EchoCommand>(terminal, "a,b", "-Json");

        Assert.Equal("""{"Name":"a","Length":1}""" + "\n" + """{"Name":"b","Length":1}""" + "\n", pipe.Printed);
        Assert.Equal(pipe.Printed, terminal.Printed);
    }

    [Fact]
    public void Reads_what_another_vmcrypt_printed()
    {
        var first = FakeTerminal.Piped();
        Run<EchoCommand>(first, "a,bc");
        var second = FakeTerminal.Piped(first.Printed + "plain\n");

        Assert.Equal(0, Run<EchoCommand>(second));
        Assert.Equal(["a", "bc", "plain"], second.Printed.Trim().Split('\n').Select(line => JsonDocument.Parse(line).RootElement.GetProperty("Name").GetString()));
    }

    [Fact]
    public void An_error_of_one_record_is_said_and_the_next_has_its_turn()
    {
        var terminal = FakeTerminal.Piped("a\nwrong\nb\n");

        Assert.Equal(2, Run<EchoCommand>(terminal));
        Assert.Equal(2, terminal.Printed.Trim().Split('\n').Length);
        Assert.Equal("vmcrypt: WrongPassphrase: The passphrase opens nothing.\n", terminal.Errors);
    }

    [Fact]
    public void ErrorAction_decides_whether_it_goes_on_and_whether_it_speaks()
    {
        var stopped = FakeTerminal.Piped("wrong\nb\n");
        var silent = FakeTerminal.Piped("wrong\nb\n");

        Assert.Equal(2, Run<EchoCommand>(stopped, "-ErrorAction", "Stop"));
        Assert.Equal(2, Run<EchoCommand>(silent, "-ErrorAction", "SilentlyContinue"));

        Assert.Empty(stopped.Printed);
        Assert.NotEmpty(silent.Printed);
        Assert.Empty(silent.Errors);
    }

    [Fact]
    public void Mistakes_of_usage_are_errors_with_an_id()
    {
        var terminal = FakeTerminal.Interactive();

        Assert.Equal(2, new CommandRunner(terminal, _signals).Run(["Get-Nothing"]));
        Assert.Equal(2, Run<EchoCommand>(terminal));
        Assert.StartsWith("vmcrypt: CommandNotFound: ", terminal.Errors, StringComparison.Ordinal);
        Assert.Contains("vmcrypt: MissingMandatoryParameter: Get-Echo needs -Name.", terminal.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("True", 0)]
    [InlineData("False", 1)]
    [InlineData("wrong", 2)]
    public void The_answer_of_a_test_is_the_exit_code(string answer, int exitCode)
    {
        var terminal = FakeTerminal.Piped();

        Assert.Equal(exitCode, Run<TestCommand>(terminal, answer));
        Assert.Equal(exitCode == 2 ? string.Empty : answer + "\n", terminal.Printed);
    }

    [Fact]
    public void A_stop_joins_the_job_and_is_no_error()
    {
        var terminal = FakeTerminal.Interactive();
        using var stop = new Timer(_ => _signals.Stop(), null, 50, Timeout.Infinite);

        Assert.Equal(130, Run<WaitCommand>(terminal));
        Assert.Equal("joined\n", terminal.Printed);
        Assert.Empty(terminal.Errors);
    }

    [Theory]
    [InlineData(false, false, "-WhatIf")]
    [InlineData(false, false, "-WhatIf", "-Force")]
    [InlineData(true, false, "-Confirm:$false")]
    [InlineData(true, false, "-Force")]
    [InlineData(true, true)]
    [InlineData(true, true, "-Force", "-Confirm")]
    public void A_grave_change_is_made_when_nothing_speaks_against_it(bool changed, bool asked, params string[] arguments)
    {
        var terminal = FakeTerminal.Interactive();
        terminal.Answers.Enqueue(true);

        Assert.Equal(0, Run<ChangeCommand>(terminal, arguments));
        Assert.Equal(changed ? "changed\n" : string.Empty, terminal.Printed);
        Assert.Equal(asked ? ["Destroy on it?"] : [], terminal.Questions);
    }

    [Fact]
    public void A_no_leaves_everything_as_it_is()
    {
        var terminal = FakeTerminal.Interactive();
        terminal.Answers.Enqueue(false);

        Assert.Equal(0, Run<ChangeCommand>(terminal));
        Assert.Empty(terminal.Printed);
    }

    [Fact]
    public void A_grave_change_is_refused_where_nobody_can_be_asked()
    {
        var terminal = FakeTerminal.Piped();

        Assert.Equal(2, Run<ChangeCommand>(terminal));
        Assert.StartsWith("vmcrypt: ConfirmationRequired: ", terminal.Errors, StringComparison.Ordinal);
        Assert.Empty(terminal.Printed);
    }

    [Fact]
    public void Help_is_the_page_without_its_tables()
    {
        var terminal = FakeTerminal.Piped();

        Assert.Equal(0, new CommandRunner(terminal, _signals).Run(["get-keyslot", "-?"]));
        Assert.StartsWith("Get-KeySlot\n\nSYNOPSIS\nLists the key slots", terminal.Printed, StringComparison.Ordinal);
        Assert.Contains("    Get-KeySlot [-Path] <String[]>", terminal.Printed, StringComparison.Ordinal);
        Assert.DoesNotContain("Accept pipeline input", terminal.Printed, StringComparison.Ordinal);
        Assert.All(terminal.Printed.Split('\n').Where(line => !line.StartsWith(' ')), line => Assert.InRange(line.Length, 0, 110));
    }

    private int Run<TCommand>(FakeTerminal terminal, params string[] arguments) =>
        new CommandRunner(terminal, _signals).Run(CommandInfo.Of(typeof(TCommand))!, arguments);

    public sealed record Echo(string Name, int Length);

    [Cmdlet(VerbsCommon.Get, "Echo")]
    public sealed class EchoCommand : VmCryptCmdlet
    {
        [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
        public string[] Name { get; set; } = [];

        private protected override void Process()
        {
            foreach (string name in Name)
            {
                Attempt(name, () => Shell.WriteObject(name == "wrong"
                    ? throw new WrongKeyException("WrongPassphrase", "The passphrase opens nothing.")
                    : new Echo(name, name.Length)));
            }
        }
    }

    [Cmdlet(VerbsDiagnostic.Test, "Answer")]
    public sealed class TestCommand : VmCryptCmdlet
    {
        [Parameter(Mandatory = true, Position = 0)]
        public string Answer { get; set; } = string.Empty;

        private protected override void Process() => Shell.WriteObject(bool.TryParse(Answer, out bool answer)
            ? answer
            : throw new InvalidImageException("Damaged", "The header is damaged."));
    }

    [Cmdlet(VerbsCommon.Set, "Nothing")]
    public sealed class WaitCommand : VmCryptCmdlet
    {
        private protected override void Process()
        {
            try
            {
                _ = Run(async (IProgress<JobProgress> _, CancellationToken token) =>
                {
                    await Task.Delay(Timeout.Infinite, token);
                    return 0;
                });
            }
            finally
            {
                Shell.WriteObject("joined");
            }
        }
    }

    [Cmdlet(VerbsCommon.Remove, "Everything", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
    public sealed class ChangeCommand : VmCryptCmdlet
    {
        [Parameter]
        public SwitchParameter Force { get; set; }

        private protected override void Process()
        {
            if (Shell.ShouldProcess("it", "Destroy", Force))
            {
                Shell.WriteObject("changed");
            }
        }
    }
}
