using VmCrypt.Core.Crypto;

namespace VmCrypt.Core.Tests.Crypto;

public sealed class AesXtsTests
{
    // IEEE 1619-2007, annex B, vector 2: 16-byte keys, data unit 0x3333333333, first 32 bytes of plain 0x44.
    // The cipher is a tweak chain, so the first blocks of a sector equal the vector's.
    [Fact]
    public void Agrees_with_IEEE_1619_vector_2()
    {
        byte[] key = [.. Enumerable.Repeat((byte)0x11, 16), .. Enumerable.Repeat((byte)0x22, 16)];
        byte[] sector = [.. Enumerable.Repeat((byte)0x44, 512)];
        using var cipher = SectorCipher.Create(CipherSpec.Default, key);

        cipher.Encrypt(0x3333333333, sector, sector);

        Assert.Equal("C454185E6A16936E39334038ACEF838BFB186FFF7480ADC4289382ECD6D394F0", Convert.ToHexString(sector.AsSpan(0, 32)));
    }
}
