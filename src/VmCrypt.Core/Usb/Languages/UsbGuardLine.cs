using VmCrypt.Core.Errors;
using VmCrypt.Core.Usb.Rules;

namespace VmCrypt.Core.Usb.Languages;

/// <summary>One rule of USBGuard taken apart: a target, and attributes of the form <c>name value</c> or <c>name [operator] { values }</c>.</summary>
internal sealed class UsbGuardLine
{
    private static readonly string[] s_names =
        ["id", "hash", "parent-hash", "name", "serial", "via-port", "with-interface", "with-connect-type", "label", "if"];

    private static readonly string[] s_operators = ["all-of", "one-of", "none-of", "equals", "equals-ordered", "match-all"];

    private readonly Dictionary<string, Attribute> _attributes = new(StringComparer.Ordinal);
    private readonly IReadOnlyList<RuleScanner.Word> _words;
    private readonly string _text;
    private int _at;

    public UsbGuardLine(string text)
    {
        _text = text;
        _words = RuleScanner.Scan(text);
        Allows = Take() switch
        {
            "allow" => true,
            "block" or "reject" => false,
            var other => throw Invalid($"starts with '{other}'; it starts with allow, block or reject"),
        };
        while (_at < _words.Count)
        {
            ReadAttribute();
        }
    }

    public bool Allows { get; }

    /// <summary>Whether a line has a word that USBGuard's language has and the whitelist's own has not.</summary>
    public static bool LooksLike(string line)
    {
        RuleScanner.Word[] words = [.. RuleScanner.Scan(line).Where(word => !word.Quoted)];
        return words is [{ Text: "block" or "reject" }, ..] || words.Skip(1).Any(word => s_names.Contains(word.Text));
    }

    public Attribute? this[string name] => _attributes.GetValueOrDefault(name);

    public InvalidInputException Invalid(string defect) => new(ErrorIds.UsbRuleInvalid, $"The USBGuard rule '{_text}' {defect}.");

    public InvalidInputException Untranslatable(string condition) => new(
        ErrorIds.UsbRuleUntranslatable, $"The USBGuard rule '{_text}' asks for {condition}, which a whitelist cannot keep.");

    public override string ToString() => _text;

    private void ReadAttribute()
    {
        // The first attribute may be the bare id.
        string name = _attributes.Count == 0 && _words[_at] is { Quoted: false } word && word.Text.Contains(':', StringComparison.Ordinal) ? "id" : Take();
        if (!s_names.Contains(name))
        {
            throw Invalid($"has the word '{name}', which is no attribute of USBGuard");
        }

        if (name == "if")
        {
            // A condition may hold a whole query in parentheses; nobody here looks into it.
            _attributes[name] = new Attribute("equals", []);
            _at = _words.Count;
            return;
        }

        string set = Peek() is { } next && s_operators.Contains(next) ? Take() : "equals";
        List<string> values = [];
        if (Peek() == "{")
        {
            _at++;
            while (Peek() != "}")
            {
                values.Add(Take());
            }

            _at++;
            if (values.Count == 0)
            {
                throw Invalid($"has no value in the braces of its {name}");
            }
        }
        else
        {
            values.Add(Take());
        }

        if (!_attributes.TryAdd(name, new Attribute(set, values)))
        {
            throw Invalid($"names its {name} twice");
        }
    }

    private string? Peek() => _at < _words.Count && !_words[_at].Quoted ? _words[_at].Text : null;

    private string Take() => _at < _words.Count ? _words[_at++].Text : throw Invalid("ends in the middle");

    public sealed record Attribute(string Operator, IReadOnlyList<string> Values);
}
