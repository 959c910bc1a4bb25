using System.IO.Enumeration;
using System.Management.Automation;
using VmCrypt.Commands.Host;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Wipe.Standards;

namespace VmCrypt.Commands.Wipe;

/// <summary>Lists the standards to wipe by: what they write, where they come from, what they are worth.</summary>
[Cmdlet(VerbsCommon.Get, "WipeStandard")]
[OutputType(typeof(WipeStandard))]
public sealed class GetWipeStandardCommand : VmCryptCmdlet
{
    [Parameter(Position = 0, ValueFromPipeline = true)]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[] Name { get; set; } = ["*"];

    private protected override void Process()
    {
        WipeStandards standards = Run(token => new ValueTask<WipeStandards>(WipeStandards.LoadAsync(ConfigurationFolder.Default, token)));
        foreach (string name in Name)
        {
            Attempt(name, () =>
            {
                WipeStandard[] found = [.. standards.All.Where(standard => Matches(name, standard))];
                foreach (WipeStandard standard in found.Length > 0 ? found : throw Unknown(name))
                {
                    Shell.WriteObject(standard);
                }
            });
        }
    }

    private static bool Matches(string pattern, WipeStandard standard) =>
        standard.Aliases.Prepend(standard.Name).Any(name => FileSystemName.MatchesSimpleExpression(pattern, name));

    private static MissingException Unknown(string name) => new(ErrorIds.WipeStandardUnknown, $"No wipe standard is called '{name}'.");
}
