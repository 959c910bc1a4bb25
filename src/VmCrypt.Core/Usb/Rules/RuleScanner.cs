using System.Text;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Usb.Rules;

/// <summary>Cuts a rule into words: separated by blanks, braces stand alone, quotes hold blanks and backslash escapes.</summary>
internal static class RuleScanner
{
    /// <param name="Quoted">The word, or its part behind '=', stood in quotes and is text even if it looks like something else.</param>
    public readonly record struct Word(string Text, bool Quoted);

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.UsbRuleInvalid"/>: a quote without its end.</exception>
    public static IReadOnlyList<Word> Scan(string rule)
    {
        var words = new List<Word>();
        int at = 0;
        while (true)
        {
            while (at < rule.Length && char.IsWhiteSpace(rule[at]))
            {
                at++;
            }

            if (at == rule.Length)
            {
                return words;
            }

            words.Add(rule[at] is '{' or '}' ? new Word(rule[at++].ToString(), Quoted: false) : Next(rule, ref at));
        }
    }

    public static string Quote(string text) => $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";

    private static Word Next(string rule, ref int at)
    {
        var text = new StringBuilder();
        bool quoted = false;
        while (at < rule.Length && !char.IsWhiteSpace(rule[at]) && rule[at] is not ('{' or '}'))
        {
            if (rule[at] == '"')
            {
                quoted = true;
                Quoted(rule, ref at, text);
            }
            else
            {
                text.Append(rule[at++]);
            }
        }

        return new Word(text.ToString(), quoted);
    }

    private static void Quoted(string rule, ref int at, StringBuilder text)
    {
        for (at++; at < rule.Length; at++)
        {
            if (rule[at] == '"')
            {
                at++;
                return;
            }

            if (rule[at] == '\\' && at + 1 < rule.Length)
            {
                at++;
            }

            text.Append(rule[at]);
        }

        throw new InvalidInputException(ErrorIds.UsbRuleInvalid, $"The USB rule '{rule}' opens a quote that it does not close.");
    }
}
