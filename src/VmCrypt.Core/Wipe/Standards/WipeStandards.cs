using System.Collections.Immutable;
using System.Text.Json;
using VmCrypt.Core.Configuration;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Wipe.Standards;

/// <summary>The standards that can be named: ours, from standards.json beside this file, and the user's, from the configuration folder.</summary>
public sealed class WipeStandards
{
    /// <summary>The user's table in the configuration folder; the same form as ours.</summary>
    public const string FileName = "wipe-standards.json";

    private static readonly Lazy<WipeStandards> s_builtIn = new(LoadBuiltIn);

    private WipeStandards(ImmutableArray<WipeStandard> all) => All = all;

    public static WipeStandards BuiltIn => s_builtIn.Value;

    public ImmutableArray<WipeStandard> All { get; }

    /// <summary>Ours and the user's.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.WipeStandardInvalid"/>, <see cref="ErrorIds.ConfigurationInvalid"/>.</exception>
    public static async Task<WipeStandards> LoadAsync(ConfigurationFolder folder, CancellationToken cancellationToken)
    {
        var store = new JsonStore<StandardTable>(folder, FileName, StandardContext.Default.StandardTable);
        StandardTable table = await store.ReadAsync(cancellationToken);
        return Combine(BuiltIn.All, table, builtIn: false);
    }

    /// <summary>By name or alias, in any case.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.WipeStandardUnknown"/>.</exception>
    public WipeStandard this[string name] =>
        All.FirstOrDefault(standard => standard.IsNamed(name))
        ?? throw new MissingException(ErrorIds.WipeStandardUnknown,
            $"The wipe standard '{name}' is not known; use one of {string.Join(", ", All.Select(standard => standard.Name))}.");

    internal static WipeStandards Combine(ImmutableArray<WipeStandard> known, StandardTable table, bool builtIn)
    {
        ImmutableArray<WipeStandard>.Builder all = known.ToBuilder();
        foreach (StandardRow row in table.Standards)
        {
            var standard = new WipeStandard(row, builtIn);
            foreach (string name in standard.Aliases.Prepend(standard.Name))
            {
                // A user's table must not be able to make "DoD7" mean one pass of zeros.
                if (all.FirstOrDefault(other => other.IsNamed(name)) is { } taken)
                {
                    throw new InvalidInputException(ErrorIds.WipeStandardInvalid,
                        $"The wipe standard '{standard.Name}' is not valid: the name '{name}' belongs to '{taken.Name}'.");
                }
            }

            all.Add(standard);
        }

        return new WipeStandards(all.ToImmutable());
    }

    private static WipeStandards LoadBuiltIn()
    {
        using Stream stream = typeof(WipeStandards).Assembly.GetManifestResourceStream(typeof(WipeStandards), "standards.json")!;
        return Combine([], JsonSerializer.Deserialize(stream, StandardContext.Default.StandardTable)!, builtIn: true);
    }
}
