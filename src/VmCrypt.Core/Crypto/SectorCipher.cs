using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Crypto;

/// <summary>Encrypts and decrypts runs of whole sectors, each under an IV made of its number; safe for many threads at once.</summary>
/// <remarks>
/// Sector numbers count 512-byte units whatever the sector size is, as dm-crypt does without <c>iv_large_sectors</c>:
/// with 4096-byte sectors the number grows by eight from one to the next. Source and target are the same span or do not overlap.
/// </remarks>
public abstract class SectorCipher : IDisposable
{
    private protected SectorCipher(int sectorSize) => SectorSize = sectorSize;

    /// <summary>Bytes under one IV: 512, 1024, 2048 or 4096.</summary>
    public int SectorSize { get; }

    /// <summary>Encrypts whole sectors, the first of which has the number <paramref name="sector"/>.</summary>
    public abstract void Encrypt(ulong sector, ReadOnlySpan<byte> source, Span<byte> target);

    /// <summary>Decrypts whole sectors, the first of which has the number <paramref name="sector"/>.</summary>
    public abstract void Decrypt(ulong sector, ReadOnlySpan<byte> source, Span<byte> target);

    /// <summary>Wipes the key schedule.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);

    /// <summary>The fastest implementation of <paramref name="spec"/> on this machine; the key is copied.</summary>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.CipherUnsupported"/>.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeySizeInvalid"/>.</exception>
    public static SectorCipher Create(CipherSpec spec, ReadOnlySpan<byte> key, int sectorSize = 512)
    {
        if (spec is { Algorithm: CipherAlgorithm.Aes, Mode: CipherMode.Xts, Iv: IvGenerator.Plain64 })
        {
            return new PlatformAesXts(key, sectorSize);
        }

        throw new UnsupportedFeatureException(ErrorIds.CipherUnsupported, $"The cipher {spec} is not available.");
    }
}
