using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Crypto;

public enum CipherAlgorithm
{
    Aes,
    Twofish,
    Serpent,
    Cast5,
}

public enum CipherMode
{
    Ecb,
    Cbc,
    Ctr,
    Xts,
}

public enum IvGenerator
{
    /// <summary>No IV (ECB).</summary>
    None,

    /// <summary>Low 32 bits of the sector number, little-endian, zero padded.</summary>
    Plain,

    /// <summary>64-bit sector number, little-endian, zero padded.</summary>
    Plain64,

    /// <summary>64-bit sector number, big-endian, at the end of the IV.</summary>
    Plain64BigEndian,

    /// <summary>The sector number encrypted under a hash of the key.</summary>
    Essiv,
}

/// <summary>What dm-crypt writes as <c>aes-xts-plain64</c> or <c>aes-cbc-essiv:sha256</c>: algorithm, mode, IV generator.</summary>
/// <param name="IvHash">The hash of <see cref="IvGenerator.Essiv"/>; null for the others.</param>
public readonly record struct CipherSpec(CipherAlgorithm Algorithm, CipherMode Mode, IvGenerator Iv, HashKind? IvHash = null)
{
    /// <summary>aes-xts-plain64, the default of QEMU and cryptsetup.</summary>
    public static CipherSpec Default { get; } = new(CipherAlgorithm.Aes, CipherMode.Xts, IvGenerator.Plain64);

    /// <summary>Bytes per block and per IV.</summary>
    public int BlockSize => Algorithm == CipherAlgorithm.Cast5 ? 8 : 16;

    /// <summary>The key sizes that the cipher takes, in bytes, smallest first; XTS has two keys in one.</summary>
    public IReadOnlyList<int> KeySizes => Mode == CipherMode.Xts
        ? [.. BlockKeySizes.Select(size => 2 * size)]
        : BlockKeySizes;

    /// <summary>The first part alone, as the LUKS1 cipher-name field has it: <c>aes</c>.</summary>
    public string AlgorithmName => Algorithm.ToString().ToLowerInvariant();

    /// <summary>The rest, as the LUKS1 cipher-mode field has it: <c>xts-plain64</c>, <c>cbc-essiv:sha256</c>, <c>ecb</c>.</summary>
    public string ModeName
    {
        get
        {
            string mode = Mode.ToString().ToLowerInvariant();
            return Iv switch
            {
                IvGenerator.None => mode,
                IvGenerator.Plain => mode + "-plain",
                IvGenerator.Plain64 => mode + "-plain64",
                IvGenerator.Plain64BigEndian => mode + "-plain64be",
                IvGenerator.Essiv => $"{mode}-essiv:{HashKinds.NameOf(IvHash ?? HashKind.Sha256)}",
                _ => throw new InvalidOperationException($"IV generator {Iv} has no name."),
            };
        }
    }

    public override string ToString() => $"{AlgorithmName}-{ModeName}";

    /// <summary>Parses <c>algorithm-mode[-iv[:hash]]</c>; names are case-insensitive.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.CipherSpecInvalid"/>.</exception>
    public static CipherSpec Parse(string text)
    {
        int dash = text.IndexOf('-', StringComparison.Ordinal);
        return dash > 0 && TryParse(text[..dash], text[(dash + 1)..], out CipherSpec spec)
            ? spec
            : throw new InvalidInputException(ErrorIds.CipherSpecInvalid,
                $"'{text}' is not a cipher; write algorithm-mode-iv, for example aes-xts-plain64 or aes-cbc-essiv:sha256.");
    }

    /// <summary>Parses the two fields of a LUKS1 header; false when a word is not known.</summary>
    public static bool TryParse(string algorithm, string mode, out CipherSpec spec)
    {
        spec = default;
        string[] parts = mode.Split('-', 2);
        if (!TryWord(algorithm, out CipherAlgorithm cipher) || !TryWord(parts[0], out CipherMode blockMode))
        {
            return false;
        }

        string[] iv = (parts.Length > 1 ? parts[1] : string.Empty).Split(':', 2);
        HashKind? hash = null;
        if (iv.Length > 1)
        {
            if (!HashKinds.TryParse(iv[1], out HashKind named))
            {
                return false;
            }

            hash = named;
        }

        IvGenerator? generator = iv[0].ToLowerInvariant() switch
        {
            "" => IvGenerator.None,
            "plain" => IvGenerator.Plain,
            "plain64" => IvGenerator.Plain64,
            "plain64be" => IvGenerator.Plain64BigEndian,
            "essiv" => IvGenerator.Essiv,
            _ => null,
        };
        // QEMU writes the ivgen-hash that libvirt passes on behind every generator, and like us uses it for essiv alone.
        bool idle = generator is IvGenerator.Plain or IvGenerator.Plain64;
        if (generator is not { } found || (!idle && (found == IvGenerator.Essiv) != hash.HasValue))
        {
            return false;
        }

        spec = new CipherSpec(cipher, blockMode, found, idle ? null : hash);
        return true;
    }

    /// <summary>Refuses combinations that no tool makes or that cannot work.</summary>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.CipherUnsupported"/>.</exception>
    public void RequireSupported()
    {
        if (Mode == CipherMode.Xts && BlockSize != 16)
        {
            throw Unsupported($"xts needs a cipher with 16-byte blocks, {AlgorithmName} has {BlockSize}");
        }

        if (Mode != CipherMode.Ecb && Iv == IvGenerator.None)
        {
            throw Unsupported($"{Mode.ToString().ToLowerInvariant()} needs an IV generator such as plain64");
        }

        if ((Iv == IvGenerator.Essiv) != IvHash.HasValue)
        {
            throw Unsupported("essiv, and only essiv, names a hash");
        }

        if (IvHash is { } hash && Mode != CipherMode.Ecb && !BlockKeySizes.Contains(Digest.SizeOf(hash)))
        {
            throw Unsupported($"essiv:{HashKinds.NameOf(hash)} makes a key of {Digest.SizeOf(hash) * 8} bits, which {AlgorithmName} does not take");
        }
    }

    /// <summary>Refuses a key length that the cipher does not take.</summary>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeySizeInvalid"/>.</exception>
    public void RequireKeySize(int bytes)
    {
        if (!KeySizes.Contains(bytes))
        {
            throw new InvalidInputException(ErrorIds.KeySizeInvalid,
                $"{this} does not take a key of {bytes * 8} bits; it takes {string.Join(", ", KeySizes.Select(size => size * 8))}.");
        }
    }

    private IReadOnlyList<int> BlockKeySizes => Algorithm == CipherAlgorithm.Cast5 ? [16] : [16, 24, 32];

    private UnsupportedFeatureException Unsupported(string reason) =>
        new(ErrorIds.CipherUnsupported, $"The cipher {this} is not possible: {reason}.");

    private static bool TryWord<T>(string word, out T value)
        where T : struct, Enum
    {
        value = default;
        return HashKinds.IsWord(word) && Enum.TryParse(word, ignoreCase: true, out value);
    }
}
