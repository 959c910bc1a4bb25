namespace VmCrypt.Core.Crypto;

/// <summary>No chaining and no IV: equal blocks stay equal. Only for reading what others made.</summary>
internal sealed class EcbCipher(BlockCipher cipher, SectorIv iv, int sectorSize) : SectorCipher(iv, sectorSize)
{
    private protected override void EncryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target) =>
        cipher.Encrypt(source, target);

    private protected override void DecryptSectors(Span<byte> ivs, ReadOnlySpan<byte> source, Span<byte> target) =>
        cipher.Decrypt(source, target);

    protected override void Dispose(bool disposing)
    {
        cipher.Dispose();
        base.Dispose(disposing);
    }
}
