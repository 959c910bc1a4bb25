using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Core.Keys;

/// <summary>The tokens of a LUKS2 image: what opens key slots beside passphrases.</summary>
/// <remarks>They hold nothing secret and are changed without a key. What is said of locks and of crashes in <see cref="KeySlots"/> holds here too.</remarks>
public static class KeyTokens
{
    /// <summary>The tokens in the order of their numbers.</summary>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LuksVersionUnsupported"/>: LUKS1.</exception>
    public static async ValueTask<IReadOnlyList<KeyTokenFacts>> ListAsync(
        DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken)
    {
        ImageDescription image = await ImageInspector.DescribeAsync(location, options with { HeadersOnly = true }, cancellationToken);
        LuksFacts luks = image.Luks ?? throw DiskStack.NoKeySlots(location, image.Encryption);
        return luks.Version == LuksVersion.Luks2 ? luks.Tokens : throw LuksHeader.Luks2Only("tokens");
    }

    /// <summary>Stores a token and returns its number.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeyTokenInvalid"/>.</exception>
    /// <exception cref="RefusedException"><see cref="ErrorIds.KeyTokensFull"/>, <see cref="ErrorIds.LuksMetadataFull"/>.</exception>
    public static async ValueTask<int> AddAsync(
        DiskLocation location, DiskOpenOptions options, NewKeyToken token, CancellationToken cancellationToken)
    {
        await using DiskStack disk = await OpenAsync(location, options, cancellationToken);
        LuksHeader header = disk.RequireLuks();
        string json = token.Json ?? KeyTokenJson.Keyring(token.KeyDescription ?? string.Empty);
        IReadOnlyList<int>? slots = token.KeySlots
            ?? (token.Json is null ? [.. header.Slots.Where(slot => slot.IsActive).Select(slot => slot.Number)] : null);
        json = slots is null ? json : KeyTokenJson.Assign(json, slots);
        if (token.Replace && token.Number is { } number && header.Facts.Tokens.Any(other => other.Number == number))
        {
            await header.SetTokenAsync(number, json, cancellationToken);
            return number;
        }

        return await header.AddTokenAsync(json, token.Number, cancellationToken);
    }

    /// <summary>Assigns a token to key slots.</summary>
    /// <param name="slotsOf">The slots that it opens from now on, of those that it opens now.</param>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeyTokenMissing"/>.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeyTokenInvalid"/>: there is no such slot.</exception>
    public static async ValueTask AssignAsync(
        DiskLocation location, DiskOpenOptions options, int number, Func<int[], IEnumerable<int>> slotsOf, CancellationToken cancellationToken)
    {
        await using DiskStack disk = await OpenAsync(location, options, cancellationToken);
        LuksHeader header = disk.RequireLuks();
        KeyTokenFacts token = Find(header, number);
        await header.SetTokenAsync(number, KeyTokenJson.Assign(token.Json, slotsOf(token.KeySlots)), cancellationToken);
    }

    /// <summary>Removes a token; the slots that it opens stay.</summary>
    /// <exception cref="MissingException"><see cref="ErrorIds.KeyTokenMissing"/>.</exception>
    public static async ValueTask RemoveAsync(DiskLocation location, DiskOpenOptions options, int number, CancellationToken cancellationToken)
    {
        await using DiskStack disk = await OpenAsync(location, options, cancellationToken);
        await disk.RequireLuks().RemoveTokenAsync(number, cancellationToken);
    }

    /// <summary>The token of this number.</summary>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.LuksVersionUnsupported"/>: LUKS1.</exception>
    internal static KeyTokenFacts Find(LuksHeader header, int number) => header.Version == LuksVersion.Luks2
        ? header.Facts.Tokens.FirstOrDefault(token => token.Number == number)
            ?? throw new MissingException(ErrorIds.KeyTokenMissing, $"There is no token {number}.")
        : throw LuksHeader.Luks2Only("tokens");

    private static ValueTask<DiskStack> OpenAsync(DiskLocation location, DiskOpenOptions options, CancellationToken cancellationToken) =>
        DiskStack.OpenAsync(location, options with { Writable = true, HeadersOnly = true }, cancellationToken);
}
