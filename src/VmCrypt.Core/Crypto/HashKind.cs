using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Crypto;

/// <summary>The hashes that LUKS headers may name.</summary>
public enum HashKind
{
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Ripemd160,
    Whirlpool,
}

public static class HashKinds
{
    /// <summary>The name in headers and options: <c>sha256</c>.</summary>
    public static string NameOf(HashKind kind) => kind.ToString().ToLowerInvariant();

    public static bool TryParse(string name, out HashKind kind)
    {
        kind = default;
        return IsWord(name) && Enum.TryParse(name, ignoreCase: true, out kind);
    }

    /// <summary>Keeps numbers, lists and spaces, all of which are values to <see cref="Enum"/>, out of names.</summary>
    internal static bool IsWord(string name) => name.Length > 0 && char.IsAsciiLetter(name[0]) && name.All(char.IsAsciiLetterOrDigit);

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.HashUnsupported"/>.</exception>
    public static HashKind Parse(string name) => TryParse(name, out HashKind kind)
        ? kind
        : throw new InvalidInputException(ErrorIds.HashUnsupported,
            $"The hash '{name}' is not known; use one of {string.Join(", ", Enum.GetValues<HashKind>().Select(NameOf))}.");
}
