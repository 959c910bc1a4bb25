namespace VmCrypt.Core.Keys;

/// <summary>A token to be stored: its JSON, or the description of a key in the kernel's keyring.</summary>
public sealed record NewKeyToken
{
    /// <summary>An object with a <c>type</c> and <c>keyslots</c>, as <c>cryptsetup token import</c> takes it.</summary>
    public string? Json { get; init; }

    /// <summary>The description of a key of the type <c>user</c>, as <c>cryptsetup token add</c> takes it.</summary>
    public string? KeyDescription { get; init; }

    /// <summary>Null for the first free number.</summary>
    public int? Number { get; init; }

    /// <summary>The slots that it opens; null for those that the JSON names, and for all with a key description.</summary>
    public IReadOnlyList<int>? KeySlots { get; init; }

    /// <summary>A token that has the number makes room, in the same change of the header.</summary>
    public bool Replace { get; init; }
}
