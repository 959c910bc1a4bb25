using System.Security;

namespace VmCrypt.Cli.Output;

/// <summary>The three standard streams, and the user at the keyboard if there is one.</summary>
internal class Terminal(TextReader input, TextWriter output, TextWriter error)
{
    private const int UsualWidth = 80;

    /// <summary>The process's own.</summary>
    public static Terminal Standard() => new(Console.In, Console.Out, Console.Error)
    {
        IsInputTerminal = !Console.IsInputRedirected,
        IsOutputTerminal = !Console.IsOutputRedirected,
        IsErrorTerminal = !Console.IsErrorRedirected,
    };

    public TextReader Input => input;

    public TextWriter Output => output;

    public TextWriter Error => error;

    public bool IsInputTerminal { get; init; }

    public bool IsOutputTerminal { get; init; }

    public bool IsErrorTerminal { get; init; }

    /// <summary>Columns of standard error's terminal.</summary>
    public int Width => IsErrorTerminal && Console.WindowWidth is > 0 and int width ? width : UsualWidth;

    /// <summary>Null where nobody can be asked.</summary>
    public virtual bool? AskYesNo(string question)
    {
        if (!IsInputTerminal)
        {
            return null;
        }

        error.Write($"{question} [y/N] ");
        return input.ReadLine()?.Trim().ToUpperInvariant() is "Y" or "YES";
    }

    /// <summary>Reads a line without echo; null where nobody can be asked.</summary>
    /// <exception cref="OperationCanceledException">Ctrl+C.</exception>
    public virtual SecureString? AskSecret(string prompt)
    {
        if (!IsInputTerminal)
        {
            return null;
        }

        error.Write($"{prompt}: ");
        // A signal could not wake the blocking read below, so the key itself must say stop.
        bool before = Console.TreatControlCAsInput;
        Console.TreatControlCAsInput = true;
        try
        {
            return ReadSecret();
        }
        finally
        {
            Console.TreatControlCAsInput = before;
            error.WriteLine();
        }
    }

    private static SecureString ReadSecret()
    {
        var secret = new SecureString();
        while (true)
        {
            ConsoleKeyInfo key = Console.ReadKey(intercept: true);
            switch (key)
            {
                case { Key: ConsoleKey.Enter }:
                    secret.MakeReadOnly();
                    return secret;
                case { Key: ConsoleKey.C, Modifiers: ConsoleModifiers.Control }:
                    secret.Dispose();
                    throw new OperationCanceledException();
                case { Key: ConsoleKey.U, Modifiers: ConsoleModifiers.Control }:
                    secret.Clear();
                    break;
                case { Key: ConsoleKey.Backspace }:
                    if (secret.Length > 0)
                    {
                        secret.RemoveAt(secret.Length - 1);
                    }

                    break;
                case { KeyChar: not '\0' }:
                    secret.AppendChar(key.KeyChar);
                    break;
            }
        }
    }
}
