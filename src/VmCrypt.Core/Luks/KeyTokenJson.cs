using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks.Luks2;

namespace VmCrypt.Core.Luks;

/// <summary>The JSON of tokens.</summary>
internal static class KeyTokenJson
{
    /// <summary>A token that says that its slot has a recovery key.</summary>
    public const string Recovery = $$"""{"type":"{{KeyTokenTypes.Recovery}}","{{Slots}}":[]}""";

    private const string Slots = "keyslots";

    /// <summary>The object on one line, as cryptsetup exports it.</summary>
    public static string TextOf(JsonObject token) => Encoding.UTF8.GetString(Luks2Json.ToBytes(token));

    /// <summary>A token that the kernel's keyring has the passphrase of.</summary>
    public static string Keyring(string description) =>
        TextOf(new JsonObject { ["type"] = KeyTokenTypes.Keyring, [Slots] = new JsonArray(), ["key_description"] = description });

    /// <summary>The token, assigned to these slots and no others.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeyTokenInvalid"/>.</exception>
    public static string Assign(string json, IEnumerable<int> slots)
    {
        try
        {
            JsonObject token = Luks2Json.Parse(Encoding.UTF8.GetBytes(json));
            token[Slots] = new JsonArray([.. slots.Select(slot => JsonValue.Create(slot.ToString(CultureInfo.InvariantCulture)))]);
            return TextOf(token);
        }
        catch (InvalidImageException fault)
        {
            throw new InvalidInputException(ErrorIds.KeyTokenInvalid, fault.Message, fault);
        }
    }
}
