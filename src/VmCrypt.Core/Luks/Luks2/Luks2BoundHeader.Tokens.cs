using System.Text;
using System.Text.Json.Nodes;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>Tokens: each change is one change of the header, also where a slot and its token are made together.</summary>
internal sealed partial class Luks2BoundHeader
{
    public override async ValueTask<int> AddTokenAsync(string json, int? number, CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        int free = FreeToken(number);
        JsonObject token = ParseToken(json, free);
        await ChangeAsync(EditToken(edit => edit.PutToken(free, token)), cancellationToken);
        return free;
    }

    public override async ValueTask SetTokenAsync(int number, string json, CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        RequireToken(number);
        JsonObject token = ParseToken(json, number);
        await ChangeAsync(EditToken(edit => edit.PutToken(number, token)), cancellationToken);
    }

    public override async ValueTask RemoveTokenAsync(int number, CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        RequireToken(number);
        await ChangeAsync(EditToken(edit => edit.RemoveToken(number)), cancellationToken);
    }

    public override async ValueTask<(int Slot, int Token)> AddSlotWithTokenAsync(
        VolumeKey key, SecretBuffer passphrase, int? slot, KdfCost cost, string json, CancellationToken cancellationToken)
    {
        BlockGuard.Writable(Area);
        LuksPassphrase.RequireUsable(passphrase);
        int number = FreeSlot(slot);
        int free = FreeToken(null);
        JsonObject token = ParseToken(KeyTokenJson.Assign(json, [number]), free);
        await FillAsync(key, passphrase, number, cost, edit => edit.PutToken(free, token), cancellationToken);
        return (number, free);
    }

    private void RequireToken(int number)
    {
        if (_store.Metadata.Tokens.All(token => token.Number != number))
        {
            throw new MissingException(ErrorIds.KeyTokenMissing, $"There is no token {number}.");
        }
    }

    private int FreeToken(int? number)
    {
        if (number is < 0 or >= Luks2Layout.MaxObjects)
        {
            throw new InvalidInputException(ErrorIds.KeyTokenInvalid, $"The token is {number}, but must be 0 to {Luks2Layout.MaxObjects - 1}.");
        }

        int[] used = [.. _store.Metadata.Tokens.Select(token => token.Number)];
        return (number is null ? FirstFree(used, Luks2Layout.MaxObjects) : used.Contains(number.Value) ? null : number)
            ?? throw new RefusedException(ErrorIds.KeyTokensFull, "The token's number is in use; remove that token first or name another.");
    }

    private static JsonObject ParseToken(string json, int number)
    {
        try
        {
            JsonObject token = Luks2Json.Parse(Encoding.UTF8.GetBytes(json));
            var members = new Luks2Members(token, $"Token {number}", ErrorIds.KeyTokenInvalid);
            RequireKnownToCryptsetup(Luks2Token.Parse(number, members).Type, members);
            return token;
        }
        catch (InvalidImageException fault)
        {
            throw new InvalidInputException(ErrorIds.KeyTokenInvalid, fault.Message, fault);
        }
    }

    // cryptsetup keeps the prefix for itself, and would not take back a keyring token that has more or less than these members.
    private static void RequireKnownToCryptsetup(string type, Luks2Members token)
    {
        if (type == KeyTokenTypes.Keyring)
        {
            _ = token.Text("key_description");
            if (token.Json.Count != 3)
            {
                throw token.Invalid("type", "no members but type, keyslots and key_description");
            }
        }
        else if (type.StartsWith(KeyTokenTypes.ReservedPrefix, StringComparison.Ordinal))
        {
            throw token.Invalid("type", $"another one: what starts with '{KeyTokenTypes.ReservedPrefix}' is reserved");
        }
    }

    private Luks2Metadata EditToken(Action<Luks2Edit> change)
    {
        var edit = new Luks2Edit(_store.Metadata);
        change(edit);
        try
        {
            return edit.Done();
        }
        catch (InvalidImageException fault)
        {
            throw new InvalidInputException(ErrorIds.KeyTokenInvalid, fault.Message, fault);
        }
    }
}
