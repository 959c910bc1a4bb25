using System.Buffers.Binary;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Luks;

namespace VmCrypt.Core.Tests.Evil.Luks1;

public sealed class Luks1EvilTests
{
    // One good header serves all rows; each works on a copy.
    private static readonly Lazy<Task<byte[]>> s_good = new(async () => (await Sample.FormatAsync()).Device.ToArray());

    public static TheoryData<string> Rows => [.. Luks1Rows.Names];

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Refuses_to_open(string row)
    {
        byte[] disk = [.. await s_good.Value];
        string expected = Luks1Rows.Apply(row, disk);

        var error = await Assert.ThrowsAnyAsync<VmCryptException>(() => Sample.OpenAsync(new MemoryDevice(disk)));

        Assert.Equal(expected, error.ErrorId);
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Describes_what_can_be_read_and_says_why_it_cannot_be_opened(string row)
    {
        byte[] disk = [.. await s_good.Value];
        string expected = Luks1Rows.Apply(row, disk);

        string? found;
        try
        {
            LuksFacts facts = await LuksHeader.DescribeAsync(new MemoryDevice(disk), LuksOpenOptions.Default, Sample.Token);
            Assert.Equal(8, facts.Slots.Length);
            found = facts.Unusable?.ErrorId;
        }
        catch (VmCryptException error)
        {
            found = error.ErrorId;
        }

        Assert.Equal(expected, found);
    }

    [Theory]
    [InlineData(0, ErrorIds.NotLuks)]
    [InlineData(5, ErrorIds.NotLuks)]
    [InlineData(6, ErrorIds.LuksHeaderTruncated)]
    [InlineData(591, ErrorIds.LuksHeaderTruncated)]
    [InlineData(592, ErrorIds.LuksPayloadBeyondEnd)]
    [InlineData((4096 * 512) - 1, ErrorIds.LuksPayloadBeyondEnd)]
    public async Task Refuses_a_truncated_device(int length, string expected)
    {
        byte[] disk = (await s_good.Value)[..length];

        var error = await Assert.ThrowsAsync<InvalidImageException>(() => Sample.OpenAsync(new MemoryDevice(disk)));

        Assert.Equal(expected, error.ErrorId);
    }

    [Theory]
    [InlineData(LuksPlacement.Detached)]
    [InlineData(LuksPlacement.Embedded)]
    public async Task Refuses_key_material_behind_the_end_of_a_header_that_stands_alone(LuksPlacement placement)
    {
        byte[] area = (await s_good.Value)[..((4036 * 512) - 1)];

        var error = await Assert.ThrowsAsync<InvalidImageException>(() => Sample.OpenAsync(new MemoryDevice(area), placement));

        Assert.Equal(ErrorIds.Luks1SlotBeyondEnd, error.ErrorId);
    }

    [Theory]
    [InlineData(112, "a bit of the digest")]
    [InlineData(131, "the last byte of the digest")]
    [InlineData(132, "the salt of the digest")]
    [InlineData(167, "one iteration of the digest more")]
    [InlineData(208 + 7, "one iteration of the slot more")]
    [InlineData(208 + 8, "the salt of the slot")]
    [InlineData(4096, "the first stripe")]
    [InlineData(4096 + (64 * 4000) - 1, "the last byte of the last stripe")]
    public async Task Does_not_open_with_a_damaged_byte(int offset, string what)
    {
        byte[] disk = [.. await s_good.Value];
        disk[offset] ^= 1;
        LuksHeader header = await Sample.OpenAsync(new MemoryDevice(disk));

        var error = await Assert.ThrowsAsync<WrongKeyException>(() => header.UnlockAsync(Sample.Passphrase));

        Assert.True(error.ErrorId == ErrorIds.WrongPassphrase, what);
    }

    [Fact]
    public async Task A_damaged_uuid_costs_nobody_their_data()
    {
        byte[] disk = [.. await s_good.Value];
        disk.AsSpan(168, 40).Fill(0xFF);

        LuksHeader header = await Sample.OpenAsync(new MemoryDevice(disk));

        Assert.Equal(new string('?', 40), header.Uuid);
        using VolumeKey key = (await header.UnlockAsync(Sample.Passphrase)).Key;
        Assert.Equal(1, await header.AddAsync(key, "another"));
    }

    [Fact]
    public async Task An_inactive_slot_may_hold_any_iterations_and_salt()
    {
        byte[] disk = [.. await s_good.Value];
        disk.AsSpan(208 + 48 + 4, 36).Fill(0xFF);

        LuksHeader header = await Sample.OpenAsync(new MemoryDevice(disk));

        Assert.Equal(uint.MaxValue, header.Slots[1].Iterations);
    }

    [Fact]
    public async Task A_slot_may_start_right_behind_the_header()
    {
        byte[] disk = [.. await s_good.Value];
        disk.AsSpan(4096, 500 * 512).ToArray().CopyTo(disk, 1024);
        BinaryPrimitives.WriteUInt32BigEndian(disk.AsSpan(208 + 40), 2);

        LuksHeader header = await Sample.OpenAsync(new MemoryDevice(disk));

        using VolumeKey key = (await header.UnlockAsync(Sample.Passphrase)).Key;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Random_damage_is_refused_or_read_and_never_anything_else(int seed)
    {
        byte[] good = await s_good.Value;
        var random = new Random(seed);
        int opened = 0;
        for (int round = 0; round < 2000; round++)
        {
            byte[] disk = [.. good];
            for (int changes = random.Next(1, 6); changes > 0; changes--)
            {
                disk[random.Next(592)] = (byte)random.Next(256);
            }

            try
            {
                LuksHeader header = await Sample.OpenAsync(new MemoryDevice(disk));
                Assert.InRange(header.HeaderLength, 592, disk.Length);
                opened++;
            }
            catch (VmCryptException)
            {
                // Any other kind of exception fails the test.
            }
        }

        Assert.InRange(opened, 1, 1999);
    }
}
