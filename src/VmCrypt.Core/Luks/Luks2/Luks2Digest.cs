using System.Collections.Immutable;
using System.Text.Json.Nodes;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>Proves a key, and ties the key slots that hold it to the segments that it opens.</summary>
/// <param name="Json">The whole object; what the type <c>pbkdf2</c> needs is read when it is used.</param>
internal sealed record Luks2Digest(int Number, string Type, ImmutableArray<int> Keyslots, ImmutableArray<int> Segments, JsonObject Json)
{
    public const string Pbkdf2Type = "pbkdf2";

    public static Luks2Digest Parse(int number, Luks2Members digest) =>
        new(number, digest.Text("type"), digest.Numbers("keyslots"), digest.Numbers("segments"), digest.Json);
}

/// <summary>Something beside the header that opens key slots: a TPM, a server, the kernel's keyring.</summary>
internal sealed record Luks2Token(int Number, string Type, ImmutableArray<int> Keyslots, JsonObject Json)
{
    public static Luks2Token Parse(int number, Luks2Members token) =>
        new(number, token.Text("type"), token.Numbers("keyslots"), token.Json);
}

/// <summary>What holds for the whole header.</summary>
/// <param name="JsonSize">Bytes of the JSON area.</param>
/// <param name="KeyslotsSize">Bytes for the areas of all key slots, right behind the second copy of the header.</param>
/// <param name="Flags">Wishes for activation; unknown ones are to be ignored.</param>
/// <param name="Requirements">What a reader must know; unknown ones forbid to use the header.</param>
internal sealed record Luks2Config(ulong JsonSize, ulong KeyslotsSize, ImmutableArray<string> Flags, ImmutableArray<string> Requirements)
{
    public static Luks2Config Parse(Luks2Members config) => new(
        config.UInt64("json_size"),
        config.UInt64("keyslots_size"),
        config.Texts("flags"),
        config.Has("requirements") ? config.Object("requirements").Texts("mandatory") : []);
}
