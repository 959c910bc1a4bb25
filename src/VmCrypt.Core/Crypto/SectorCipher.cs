using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Crypto;

/// <summary>Encrypts and decrypts runs of whole sectors, each under an IV made of its number; safe for many threads at once.</summary>
/// <remarks>
/// Sector numbers count 512-byte units whatever the sector size is, as dm-crypt does without <c>iv_large_sectors</c>:
/// with 4096-byte sectors the number grows by eight from one to the next. Source and target are the same span or do not overlap.
/// </remarks>
public abstract class SectorCipher : IDisposable
{
    private const int IvUnit = 512;

    /// <summary>Bytes of the largest sector that can be encrypted under one IV.</summary>
    public const int MaxSectorSize = 4096;

    // So much is handed to the cipher at a time: several sectors even of the largest, and still within a first-level cache.
    private const int BatchSize = 32 * 1024;

    private readonly SectorIv _iv;

    private protected SectorCipher(SectorIv iv, int sectorSize)
    {
        _iv = iv;
        SectorSize = sectorSize;
    }

    /// <summary>Bytes under one IV: 512, 1024, 2048 or 4096.</summary>
    public int SectorSize { get; }

    /// <summary>The fastest implementation of <paramref name="spec"/> on this machine; the key is copied.</summary>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.CipherUnsupported"/>.</exception>
    /// <exception cref="InvalidInputException"><see cref="ErrorIds.KeySizeInvalid"/>, <see cref="ErrorIds.SectorSizeInvalid"/>.</exception>
    public static SectorCipher Create(CipherSpec spec, ReadOnlySpan<byte> key, int sectorSize = IvUnit) =>
        Create(spec, key, sectorSize, AesPaths.Best);

    internal static SectorCipher Create(CipherSpec spec, ReadOnlySpan<byte> key, int sectorSize, AesPath path)
    {
        spec.RequireSupported();
        spec.RequireKeySize(key.Length);
        RequireSectorSize(sectorSize);

        SectorIv iv = SectorIv.Create(spec, key, path);
        if (spec.Algorithm == CipherAlgorithm.Aes && AesPaths.CreateSectorCipher(path, spec.Mode, key, iv, sectorSize) is { } fast)
        {
            return fast;
        }

        return spec.Mode switch
        {
            CipherMode.Xts => new XtsCipher(Cipher(key[..(key.Length / 2)]), Cipher(key[(key.Length / 2)..]), iv, sectorSize),
            CipherMode.Cbc => new CbcCipher(Cipher(key), iv, sectorSize),
            CipherMode.Ctr => new CtrCipher(Cipher(key), iv, sectorSize),
            _ => new EcbCipher(Cipher(key), iv, sectorSize),
        };

        BlockCipher Cipher(ReadOnlySpan<byte> part) => BlockCipher.Create(spec.Algorithm, part, path);
    }

    /// <summary>Encrypts whole sectors, the first of which has the number <paramref name="sector"/>.</summary>
    public void Encrypt(ulong sector, ReadOnlySpan<byte> source, Span<byte> target) => Run(sector, source, target, encrypt: true);

    /// <summary>Decrypts whole sectors, the first of which has the number <paramref name="sector"/>.</summary>
    public void Decrypt(ulong sector, ReadOnlySpan<byte> source, Span<byte> target) => Run(sector, source, target, encrypt: false);

    /// <summary>Wipes the key schedule; every call must have returned.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Encrypts one batch; <paramref name="ivs"/> holds the IV of each of its sectors and may be overwritten.</summary>
    private protected abstract void EncryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target);

    /// <summary>Decrypts one batch; <paramref name="ivs"/> holds the IV of each of its sectors and may be overwritten.</summary>
    private protected abstract void DecryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target);

    protected virtual void Dispose(bool disposing) => _iv.Dispose();

    private void Run(ulong sector, ReadOnlySpan<byte> source, Span<byte> target, bool encrypt)
    {
        RequireWholeSectors(source, target);
        Span<byte> ivs = stackalloc byte[BatchSize / SectorSize * _iv.Size];
        while (!source.IsEmpty)
        {
            int count = Math.Min(source.Length, BatchSize);
            ivs = ivs[..(count / SectorSize * _iv.Size)];
            _iv.Fill(sector, (ulong)(SectorSize / IvUnit), ivs);
            if (encrypt)
            {
                EncryptSectors(ivs, source[..count], target[..count]);
            }
            else
            {
                DecryptSectors(ivs, source[..count], target[..count]);
            }

            source = source[count..];
            target = target[count..];
            sector += (ulong)(count / IvUnit);
        }
    }

    private void RequireWholeSectors(ReadOnlySpan<byte> source, ReadOnlySpan<byte> target)
    {
        if (source.Length % SectorSize != 0 || target.Length < source.Length)
        {
            throw new ArgumentException($"{source.Length} bytes into {target.Length} are not whole sectors of {SectorSize} bytes.");
        }
    }

    private static void RequireSectorSize(int sectorSize)
    {
        if (sectorSize is < IvUnit or > MaxSectorSize || !int.IsPow2(sectorSize))
        {
            throw new InvalidInputException(ErrorIds.SectorSizeInvalid,
                $"A sector of {sectorSize} bytes is not possible; it is 512, 1024, 2048 or 4096.");
        }
    }
}
