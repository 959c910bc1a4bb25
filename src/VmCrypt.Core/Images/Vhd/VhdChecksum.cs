namespace VmCrypt.Core.Images.Vhd;

/// <summary>The checksum of VHD's structures: the complement of the sum of all bytes, save those of the checksum itself.</summary>
internal static class VhdChecksum
{
    public static uint Of(ReadOnlySpan<byte> bytes, int fieldOffset)
    {
        uint sum = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            sum += i >= fieldOffset && i < fieldOffset + sizeof(uint) ? 0u : bytes[i];
        }

        return ~sum;
    }
}
