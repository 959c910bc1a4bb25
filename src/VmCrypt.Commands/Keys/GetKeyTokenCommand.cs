using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Commands.Keys;

/// <summary>Lists the tokens of LUKS2 images.</summary>
[Cmdlet(VerbsCommon.Get, "KeyToken", DefaultParameterSetName = "Path")]
[OutputType(typeof(KeyToken))]
public sealed class GetKeyTokenCommand : ImageCmdlet
{
    /// <summary>The tokens wanted, which must be there; all without it.</summary>
    [Parameter]
    [ValidateRange(0, 31)]
    public int[] Token { get; set; } = [];

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] Type { get; set; } = [];

    private protected override void ProcessImage(DiskLocation location)
    {
        DiskOpenOptions options = OpenOptions;
        IReadOnlyList<KeyTokenFacts> tokens = Run(token => KeyTokens.ListAsync(location, options, token));
        foreach (int missing in Token.Except(tokens.Select(token => token.Number)))
        {
            throw new MissingException(ErrorIds.KeyTokenMissing, $"There is no token {missing}.");
        }

        foreach (KeyTokenFacts facts in tokens.Where(token => Token.Length == 0 || Token.Contains(token.Number)))
        {
            if (Type.Length == 0 || Type.Contains(facts.Type, StringComparer.Ordinal))
            {
                Shell.WriteObject(new KeyToken(location.Text, options.HeaderPath, facts));
            }
        }
    }
}
