using System.Text.Json;
using System.Text.Json.Serialization;

namespace VmCrypt.Core.Wipe.Standards;

/// <summary>A row of standards.json, ours or the user's.</summary>
/// <remarks>What may be left out has a setter: the generated reader would put null over the default of an init-only member.</remarks>
internal sealed record StandardRow
{
    public required string Name { get; init; }

    public string[] Aliases { get; set; } = [];

    public required string Title { get; init; }

    public required string[] Passes { get; init; }

    public bool CryptoErase { get; set; }

    public VerifyMode Verify { get; set; } = VerifyMode.LastPass;

    public ShuffleRow? Shuffle { get; set; }

    public string Origin { get; set; } = string.Empty;

    public string Notes { get; set; } = string.Empty;
}

internal sealed record ShuffleRow(int First, int Last);

internal sealed record StandardTable
{
    public StandardRow[] Standards { get; set; } = [];
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Strict, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(StandardTable))]
internal sealed partial class StandardContext : JsonSerializerContext;
