using VmCrypt.Core.Images.Qcow2;

namespace VmCrypt.Core.Tests.Images.Qcow2;

public sealed class RefcountEntryTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    [InlineData(16)]
    [InlineData(32)]
    [InlineData(64)]
    public void Every_width_keeps_each_entry_and_its_neighbours(int bits)
    {
        byte[] block = new byte[64];
        int count = block.Length * 8 / bits;
        ulong max = bits == 64 ? ulong.MaxValue : (1UL << bits) - 1;
        var random = new Random(bits);
        ulong[] model = new ulong[count];
        for (int step = 0; step < 2000; step++)
        {
            int index = random.Next(count);
            model[index] = (ulong)random.NextInt64() & max;
            RefcountEntry.Write(block, index, bits, model[index]);
        }

        Assert.Equal(model, Enumerable.Range(0, count).Select(i => RefcountEntry.Read(block, i, bits)));
    }

    [Fact]
    public void The_first_of_several_entries_in_a_byte_is_in_its_low_bits()
    {
        byte[] block = new byte[2];
        RefcountEntry.Write(block, 0, 1, 1);
        Assert.Equal(0b0000_0001, block[0]);
        RefcountEntry.Write(block, 3, 2, 3);
        Assert.Equal(0b1100_0001, block[0]);
        RefcountEntry.Write(block, 2, 4, 9);
        Assert.Equal(0b0000_1001, block[1]);
    }

    [Theory]
    [InlineData(8, 256)]
    [InlineData(16, 65536)]
    public void A_count_that_does_not_fit_is_no_other_count(int bits, ulong value) =>
        Assert.Throws<OverflowException>(() => RefcountEntry.Write(new byte[8], 0, bits, value));
}
