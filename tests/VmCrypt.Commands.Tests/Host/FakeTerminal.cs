using System.Security;
using VmCrypt.Cli.Output;

namespace VmCrypt.Commands.Tests.Host;

/// <summary>A terminal whose user has prepared all answers.</summary>
internal sealed class FakeTerminal : Terminal
{
    private readonly StringWriter _printed;

    // Some commands print on another thread than the test's, which reads meanwhile.
    private FakeTerminal(TextReader input, StringWriter printed)
        : base(input, TextWriter.Synchronized(printed), new StringWriter()) => _printed = printed;

    public static FakeTerminal Interactive() => new(TextReader.Null, new StringWriter())
    {
        IsInputTerminal = true,
        IsOutputTerminal = true,
    };

    public static FakeTerminal Piped(string input = "") => new(new StringReader(input), new StringWriter());

    public string Printed
    {
        get
        {
            // The lock that the synchronized writer takes for each call.
            lock (Output)
            {
                return _printed.ToString().ReplaceLineEndings("\n");
            }
        }
    }

    public string Errors => Error.ToString()!.ReplaceLineEndings("\n");

    public Queue<bool> Answers { get; } = new();

    public Queue<string> Secrets { get; } = new();

    public List<string> Questions { get; } = [];

    public override bool? AskYesNo(string question)
    {
        Questions.Add(question);
        return IsInputTerminal ? Answers.Dequeue() : null;
    }

    public override SecureString? AskSecret(string prompt)
    {
        Questions.Add(prompt);
        if (!IsInputTerminal)
        {
            return null;
        }

        var secret = new SecureString();
        foreach (char character in Secrets.Dequeue())
        {
            secret.AppendChar(character);
        }

        return secret;
    }
}
