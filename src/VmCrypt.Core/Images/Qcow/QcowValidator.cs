using VmCrypt.Core.Errors;

namespace VmCrypt.Core.Images.Qcow;

/// <summary>Every rule that a version 1 header must keep before one of its numbers is used; the limits are QEMU's.</summary>
internal static class QcowValidator
{
    private const int MinClusterBits = 9;
    private const int MaxClusterBits = 16;
    private const int MinL2Bits = 6;
    private const int MaxL2Bits = 13;
    private const int MaxL1TableBytes = 32 * 1024 * 1024;
    private const int MaxBackingNameBytes = 1023;
    private const uint LegacyAes = 1;

    /// <exception cref="InvalidImageException"><see cref="ErrorIds.QcowHeaderInvalid"/>.</exception>
    /// <exception cref="UnsupportedFeatureException"><see cref="ErrorIds.QcowCryptMethodUnsupported"/>.</exception>
    public static QcowGeometry Check(in QcowHeader header, long fileLength)
    {
        Require(header.ClusterBits is >= MinClusterBits and <= MaxClusterBits,
            $"cluster_bits is {header.ClusterBits}; {MinClusterBits} to {MaxClusterBits} are allowed.");
        Require(header.L2Bits is >= MinL2Bits and <= MaxL2Bits, $"l2_bits is {header.L2Bits}; {MinL2Bits} to {MaxL2Bits} are allowed.");
        if (header.CryptMethod > LegacyAes)
        {
            throw new UnsupportedFeatureException(ErrorIds.QcowCryptMethodUnsupported,
                $"crypt_method is {header.CryptMethod}; 0 (none) and 1 (AES) are known.");
        }

        var geometry = new QcowGeometry(header.ClusterBits, header.L2Bits);
        Require(header.VirtualSize is > 1 and <= long.MaxValue && geometry.L1EntriesFor((long)header.VirtualSize) <= MaxL1TableBytes / sizeof(ulong),
            $"The disk has {header.VirtualSize} bytes, which is nothing or needs too large an L1 table.");
        long l1Bytes = geometry.L1EntriesFor((long)header.VirtualSize) * sizeof(ulong);
        Require(header.L1Offset >= QcowHeader.Size && header.L1Offset <= (ulong)fileLength && l1Bytes <= fileLength - (long)header.L1Offset,
            $"The L1 table of {l1Bytes} bytes at offset {header.L1Offset} does not lie behind the header in the file of {fileLength} bytes.");
        Require(header.BackingNameOffset == 0 || (header.BackingNameBytes is >= 1 and <= MaxBackingNameBytes
            && header.BackingNameOffset <= (ulong)fileLength && header.BackingNameBytes <= (ulong)fileLength - header.BackingNameOffset),
            $"The backing file name of {header.BackingNameBytes} bytes at offset {header.BackingNameOffset} is too long or not in the file.");
        return geometry;
    }

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new InvalidImageException(ErrorIds.QcowHeaderInvalid, message);
        }
    }
}
