using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Wipe.Standards;

/// <summary>How much is read back from the medium.</summary>
public enum VerifyMode
{
    None,

    /// <summary>Everything, after the last pass.</summary>
    LastPass,

    /// <summary>Everything, after each pass.</summary>
    AllPasses,

    /// <summary>A random tenth, the first and last mebibyte included, after the last pass.</summary>
    Sample,
}

/// <summary>A named sequence of passes; see <see cref="WipeStandards"/>.</summary>
public sealed record WipeStandard
{
    public const int MaxPasses = 100;

    /// <summary>Parses and checks one row of the table.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.WipeStandardInvalid"/>.</exception>
    internal WipeStandard(StandardRow row, bool builtIn)
    {
        Name = IsName(row.Name) ? row.Name : throw Invalid(row.Name, "its name is not made of 1 to 64 letters, digits, dots and dashes");
        Aliases = [.. row.Aliases];
        Title = row.Title;
        CryptoErase = row.CryptoErase;
        Verify = row.Verify;
        Origin = row.Origin;
        Notes = row.Notes;
        BuiltIn = builtIn;
        Passes = [.. row.Passes.Select((text, index) => ParsePass(row.Name, text, index + 1))];
        Shuffle = row.Shuffle is { } range ? (range.First, range.Last) : null;

        if (Passes.Count > MaxPasses || (Passes.Count == 0 && !CryptoErase))
        {
            throw Invalid(Name, $"it has {Passes.Count} passes, and 1 to {MaxPasses} are allowed");
        }

        if (Shuffle is var (first, last) && (first < 1 || last < first || last > Passes.Count || Passes.Any(pass => pass.Kind == WipePassKind.Complement)))
        {
            throw Invalid(Name, $"passes {first} to {last} cannot be shuffled: they do not all exist, or a complement depends on their order");
        }
    }

    public string Name { get; }

    public IReadOnlyList<string> Aliases { get; }

    public string Title { get; }

    public IReadOnlyList<WipePass> Passes { get; private init; }

    /// <summary>Destroy the key slots before the first pass.</summary>
    public bool CryptoErase { get; }

    /// <summary>What is verified unless the caller says otherwise.</summary>
    public VerifyMode Verify { get; }

    /// <summary>Numbers, from 1, of the first and the last of the passes that run in random order.</summary>
    public (int First, int Last)? Shuffle { get; }

    /// <summary>Where the sequence comes from.</summary>
    public string Origin { get; }

    /// <summary>What it is worth, and how it differs from others of its name.</summary>
    public string Notes { get; }

    public bool BuiltIn { get; }

    public bool IsNamed(string name) =>
        Name.Equals(name, StringComparison.OrdinalIgnoreCase) || Aliases.Contains(name, StringComparer.OrdinalIgnoreCase);

    /// <summary>The same with a pass of zeros at the end, unless it ends in one.</summary>
    public WipeStandard WithBlank() =>
        Passes is [.., { Kind: WipePassKind.Pattern } last] && !last.Pattern.Span.ContainsAnyExcept((byte)0)
            ? this
            : this with { Passes = [.. Passes, WipePass.Zeros] };

    /// <summary>The passes alone, for files that have no key slots.</summary>
    internal WipeStandard WithoutKeys() =>
        new(ToRow() with { Name = Name + ".passes", Aliases = [Name], Title = $"{Title}: the passes", CryptoErase = false }, builtIn: false);

    internal StandardRow ToRow() => new()
    {
        Name = Name,
        Aliases = [.. Aliases],
        Title = Title,
        Passes = [.. Passes.Select(pass => pass.ToString())],
        CryptoErase = CryptoErase,
        Verify = Verify,
        Shuffle = Shuffle is var (first, last) ? new ShuffleRow(first, last) : null,
        Origin = Origin,
        Notes = Notes,
    };

    private static WipePass ParsePass(string standard, string text, int number)
    {
        WipePass pass = WipePass.TryParse(text)
            ?? throw Invalid(standard, $"pass {number} is '{text}', which is none of 0x.. (1 to {WipePass.MaxPattern} bytes), random, byte and ~n");
        return pass.Kind != WipePassKind.Complement || (pass.Of >= 1 && pass.Of < number)
            ? pass
            : throw Invalid(standard, $"pass {number} is the complement of pass {pass.Of}, which does not stand before it");
    }

    private static InvalidInputException Invalid(string name, string reason) =>
        new(ErrorIds.WipeStandardInvalid, $"The wipe standard '{name}' is not valid: {reason}.");

    private static bool IsName(string name) =>
        name.Length is > 0 and <= 64 && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '-');
}
