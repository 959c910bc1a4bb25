using VmCrypt.Core.Keys.Tokens;
using VmCrypt.Core.Luks;

namespace VmCrypt.Commands.Keys;

/// <summary>A token of a LUKS2 image, as the commands show it and take it from the pipeline.</summary>
public sealed class KeyToken
{
    internal KeyToken(string path, string? detachedHeader, KeyTokenFacts facts)
    {
        Path = path;
        DetachedHeader = detachedHeader;
        Token = facts.Number;
        Type = facts.Type;
        KeySlot = facts.KeySlots;
        Need = TokenNeeds.Of(facts);
        Json = facts.Json;
    }

    /// <summary>The image.</summary>
    public string Path { get; }

    /// <summary>Where the token lies if not in the image.</summary>
    public string? DetachedHeader { get; }

    /// <summary>Its number, from 0.</summary>
    public int Token { get; }

    /// <summary>For example <c>clevis</c>, <c>systemd-recovery</c>, <c>luks2-keyring</c>.</summary>
    public string Type { get; }

    /// <summary>The slots that it opens.</summary>
    public int[] KeySlot { get; }

    /// <summary>What must be at hand for it to open them; null where that is not known.</summary>
    public TokenNeed? Need { get; }

    /// <summary>All of it, as <c>cryptsetup token export</c> writes it.</summary>
    public string Json { get; }
}
