using System.Security.Cryptography;
using System.Text.Json.Nodes;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Luks.Luks2;

/// <summary>A digest of the type <c>pbkdf2</c>, ready for use: says whether a key is the right one.</summary>
internal sealed record Luks2Proof(HashKind Hash, long Iterations, byte[] Salt, byte[] Value)
{
    // What LUKS1 has, and what a header converted from it keeps.
    private const int ShortLength = 20;

    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.Luks2DigestUnsupported"/>, <see cref="ErrorIds.HashUnsupported"/>,
    /// <see cref="ErrorIds.KdfCostTooHigh"/>.</exception>
    /// <exception cref="InvalidImageException"><see cref="ErrorIds.Luks2DigestInvalid"/>.</exception>
    public static Luks2Proof Of(Luks2Digest digest)
    {
        if (digest.Type != Luks2Digest.Pbkdf2Type)
        {
            throw new UnsupportedFeatureException(ErrorIds.Luks2DigestUnsupported,
                $"The volume key is proven by a digest of the type '{digest.Type}', but only '{Luks2Digest.Pbkdf2Type}' is known.");
        }

        var members = new Luks2Members(digest.Json, $"Digest {digest.Number}", ErrorIds.Luks2DigestInvalid);
        HashKind hash = Luks2Words.HashOf(members.Text("hash"));
        byte[] value = members.Base64("digest");
        if (value.Length != ShortLength && value.Length != Digest.SizeOf(hash))
        {
            throw members.Invalid("digest", $"{ShortLength} or {Digest.SizeOf(hash)} bytes in base64");
        }

        byte[] salt = members.Base64("salt");
        return salt.Length == Luks2Layout.SaltLength
            ? new Luks2Proof(hash, Luks2Words.RequireIterations(members.UInt32("iterations"), $"Digest {digest.Number}"), salt, value)
            : throw members.Invalid("salt", $"{Luks2Layout.SaltLength} bytes in base64");
    }

    /// <summary>A proof of <paramref name="key"/> under a fresh salt.</summary>
    public static Luks2Proof Create(HashKind hash, long iterations, ReadOnlySpan<byte> key)
    {
        byte[] salt = RandomNumberGenerator.GetBytes(Luks2Layout.SaltLength);
        byte[] value = new byte[Digest.SizeOf(hash)];
        Pbkdf2.Derive(hash, key, salt, iterations, value);
        return new Luks2Proof(hash, iterations, salt, value);
    }

    public bool Proves(ReadOnlySpan<byte> key)
    {
        byte[] value = new byte[Value.Length];
        Pbkdf2.Derive(Hash, key, Salt, Iterations, value);
        return CryptographicOperations.FixedTimeEquals(value, Value);
    }

    public JsonObject ToJson(IEnumerable<int> keyslots, IEnumerable<int> segments) => new()
    {
        ["type"] = Luks2Digest.Pbkdf2Type,
        ["keyslots"] = Luks2Words.NumbersOf(keyslots),
        ["segments"] = Luks2Words.NumbersOf(segments),
        ["hash"] = HashKinds.NameOf(Hash),
        ["iterations"] = Iterations,
        ["salt"] = Convert.ToBase64String(Salt),
        ["digest"] = Convert.ToBase64String(Value),
    };
}
