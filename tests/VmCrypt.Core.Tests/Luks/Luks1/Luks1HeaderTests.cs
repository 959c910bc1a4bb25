using System.Text;
using VmCrypt.Core.Luks.Luks1;

namespace VmCrypt.Core.Tests.Luks.Luks1;

public sealed class Luks1HeaderTests
{
    [Fact]
    public void Fields_lie_where_the_specification_puts_them()
    {
        byte[] bytes = new byte[592];
        Put(0, "LUKS"u8);
        Put(4, [0xBA, 0xBE, 0, 1]);
        Put(8, "twofish"u8);
        Put(40, "cbc-essiv:sha256"u8);
        Put(72, "ripemd160"u8);
        Put(104, [0, 0, 0x10, 0x08, 0, 0, 0, 32]);
        bytes.AsSpan(112, 20).Fill(0xD1);
        bytes.AsSpan(132, 32).Fill(0x5A);
        Put(164, [0, 1, 2, 3]);
        Put(168, "01234567-89ab-cdef-0123-456789abcdef"u8);
        for (int slot = 0; slot < 8; slot++)
        {
            int at = 208 + (48 * slot);
            Put(at, [0, 0xAC, 0x71, 0xF3, 0, 0, 0x30, (byte)slot]);
            bytes.AsSpan(at + 8, 32).Fill((byte)slot);
            Put(at + 40, [0, 0, 0x20, (byte)slot, 0, 0, 0x0F, 0xA0]);
        }

        Luks1Header header = Luks1Header.Parse(bytes);

        Assert.Equal(("twofish", "cbc-essiv:sha256", "ripemd160"), (header.CipherName, header.CipherMode, header.HashSpec));
        Assert.Equal((0x1008u, 32u, 0x10203u), (header.PayloadOffsetSectors, header.KeyBytes, header.DigestIterations));
        Assert.All(header.Digest, value => Assert.Equal(0xD1, value));
        Assert.All(header.DigestSalt, value => Assert.Equal(0x5A, value));
        Assert.Equal((20, 32), (header.Digest.Length, header.DigestSalt.Length));
        Assert.Equal("01234567-89ab-cdef-0123-456789abcdef", header.Uuid);
        for (int slot = 0; slot < 8; slot++)
        {
            Luks1Slot entry = header.Slots[slot];
            Assert.True(entry.IsActive);
            Assert.Equal((0x3000u + (uint)slot, 0x2000u + (uint)slot, 4000u), (entry.Iterations, entry.MaterialOffsetSectors, entry.Stripes));
            Assert.All(entry.Salt, value => Assert.Equal(slot, value));
        }

        Assert.Equal(bytes, header.ToBytes());

        void Put(int offset, ReadOnlySpan<byte> value) => value.CopyTo(bytes.AsSpan(offset));
    }

    [Fact]
    public async Task What_is_written_is_what_is_read()
    {
        byte[] disk = (await Sample.FormatAsync()).Device.ToArray();

        Assert.Equal(disk[..592], Luks1Header.Parse(disk).ToBytes());
    }

    [Theory]
    [InlineData(0, 208)]
    [InlineData(6, 496)]
    [InlineData(7, 544)]
    public void An_entry_is_written_where_it_is_read(int slot, int offset) => Assert.Equal(offset, Luks1Header.SlotOffset(slot));

    [Fact]
    public async Task Bytes_behind_a_NUL_mean_nothing()
    {
        byte[] disk = (await Sample.FormatAsync()).Device.ToArray();
        Encoding.ASCII.GetBytes("aes\0garbage", disk.AsSpan(8));

        Assert.Equal("aes", Luks1Header.Parse(disk).CipherName);
    }
}
