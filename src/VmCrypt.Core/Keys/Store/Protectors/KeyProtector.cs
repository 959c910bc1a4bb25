using System.Text.Json;
using System.Text.Json.Serialization;
using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Keys.Store.Protectors;

/// <summary>What opens a key store.</summary>
public enum KeyProtectorKind
{
    /// <summary>A master passphrase, under Argon2id.</summary>
    Passphrase,

    /// <summary>A file that only its owner can read; the host needs nobody.</summary>
    KeyFile,

    /// <summary>The TPM 2.0 of this host, if its registers stand as they did; the host needs nobody.</summary>
    Tpm,

    /// <summary>The data protection of Windows; the host needs nobody.</summary>
    Dpapi,
}

/// <summary>One way to the key of a store: the key wrapped under another, and where that other one comes from.</summary>
internal sealed record KeyProtector
{
    public required Guid Id { get; init; }

    public required KeyProtectorKind Kind { get; init; }

    public required DateTimeOffset Created { get; init; }

    /// <summary>The host that made it; its protectors are tried first there.</summary>
    public string? Host { get; init; }

    /// <summary>Of Argon2id, or of HKDF over a key file.</summary>
    public byte[]? Salt { get; init; }

    public int? MemoryKiB { get; init; }

    public int? Passes { get; init; }

    public int? Lanes { get; init; }

    /// <summary>The key file.</summary>
    public string? Path { get; init; }

    /// <summary>What a TPM or Windows made of the wrapping key.</summary>
    public string? Sealed { get; init; }

    public required byte[] Nonce { get; init; }

    public required byte[] Tag { get; init; }

    public required byte[] WrappedKey { get; init; }
}

/// <summary>The document that holds them.</summary>
internal static class KeyProtectorList
{
    public const int MaxBytes = 1024 * 1024;

    private const int MaxCount = 512;

    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeyProtectorInvalid"/>: more than <see cref="Parse"/> takes, so that nobody could open the store any more.</exception>
    public static byte[] ToBytes(IReadOnlyList<KeyProtector> protectors)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes([.. protectors], KeyProtectorContext.Default.KeyProtectorArray);
        return protectors.Count <= MaxCount && json.Length <= MaxBytes
            ? json
            : throw new InvalidInputException(ErrorIds.KeyProtectorInvalid,
                $"The key store would have {protectors.Count} protectors in {json.Length} bytes; it takes {MaxCount} in {MaxBytes}. Remove one that nobody needs.");
    }

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.KeyProtectorInvalid"/>.</exception>
    public static IReadOnlyList<KeyProtector> Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            KeyProtector[] list = JsonSerializer.Deserialize(json, KeyProtectorContext.Default.KeyProtectorArray) ?? [];
            return list.Length is > 0 and <= MaxCount && Array.TrueForAll(list, IsComplete)
                ? list
                : throw new InvalidImageException(ErrorIds.KeyProtectorInvalid, $"The key store has {list.Length} protectors, or an incomplete one; it has 1 to {MaxCount}.");
        }
        catch (JsonException fault)
        {
            throw new InvalidImageException(ErrorIds.KeyProtectorInvalid, $"The protectors of the key store are no valid document: {fault.Message}", fault);
        }
    }

    private static bool IsComplete(KeyProtector? protector) =>
        protector is { Nonce.Length: WrappedSecret.NonceSize, Tag.Length: WrappedSecret.TagSize, WrappedKey.Length: StoreKey.Size } && protector.Kind switch
        {
            KeyProtectorKind.Passphrase => protector is { Salt.Length: PassphraseProtection.SaltSize, MemoryKiB: not null, Passes: not null, Lanes: not null },
            KeyProtectorKind.KeyFile => protector is { Salt.Length: KeyFileProtection.SaltSize, Path.Length: > 0 },
            _ => protector.Sealed is { Length: > 0 },
        };
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Strict, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true)]
[JsonSerializable(typeof(KeyProtector[]))]
internal sealed partial class KeyProtectorContext : JsonSerializerContext;
