using System.Text;
using System.Text.Json.Nodes;
using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Luks;
using VmCrypt.Core.Tests.Luks.Luks2;

namespace VmCrypt.Core.Tests.Evil.Luks2;

public sealed class Luks2EvilTests
{
    // One good disk serves all rows; each works on a copy.
    private static readonly Lazy<Task<byte[]>> s_good = new(async () =>
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        await header.AddAsync(key, "second");
        await header.AddTokenAsync("""{"type":"test","keyslots":["1"]}""", null, Sample.Token);
        return device.ToArray();
    });

    public static TheoryData<string> Rows => [.. Luks2Rows.Names];

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Refuses_to_open(string row)
    {
        Luks2Disk disk = await GoodAsync();
        string expected = Luks2Rows.Apply(row, disk);

        var error = await Assert.ThrowsAnyAsync<VmCryptException>(() => Sample.OpenAsync(new MemoryDevice(disk.Bytes)));

        Assert.Equal(expected, error.ErrorId);
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Describes_what_is_valid_and_says_why_it_cannot_be_opened(string row)
    {
        Luks2Disk disk = await GoodAsync();
        string expected = Luks2Rows.Apply(row, disk);

        try
        {
            LuksFacts facts = await LuksHeader.DescribeAsync(new MemoryDevice(disk.Bytes), LuksOpenOptions.Default, Sample.Token);
            Assert.True(Luks2Rows.IsUnsupported(row));
            Assert.Equal(expected, facts.Unusable?.ErrorId);
            Assert.InRange(facts.Slots.Length, 2, 3);
        }
        catch (VmCryptException error)
        {
            Assert.False(Luks2Rows.IsUnsupported(row));
            Assert.Equal(expected, error.ErrorId);
        }
    }

    [Theory]
    [InlineData(0, ErrorIds.NotLuks)]
    [InlineData(8, ErrorIds.LuksHeaderTruncated)]
    [InlineData(16383, ErrorIds.LuksHeaderTruncated)]
    [InlineData(16384, ErrorIds.LuksHeaderTruncated)]
    [InlineData(32768, ErrorIds.LuksHeaderTruncated)]
    [InlineData(1323007, ErrorIds.LuksHeaderTruncated)]
    public async Task Refuses_a_truncated_device(int length, string expected)
    {
        byte[] disk = (await GoodAsync()).Bytes[..length];

        var error = await Assert.ThrowsAsync<InvalidImageException>(() => Sample.OpenAsync(new MemoryDevice(disk)));

        Assert.Equal(expected, error.ErrorId);
    }

    public static TheoryData<string, string> UnusableSlots => new()
    {
        { ErrorIds.KdfCostTooHigh, """{"type":"pbkdf2","hash":"sha256","iterations":4294967295,"salt":"$"}""" },
        { ErrorIds.KdfCostTooHigh, """{"type":"pbkdf2","hash":"sha256","iterations":0,"salt":"$"}""" },
        { ErrorIds.HashUnsupported, """{"type":"pbkdf2","hash":"sha257","iterations":1000,"salt":"$"}""" },
        { ErrorIds.Luks2KeyslotInvalid, """{"type":"pbkdf2","hash":"sha256","iterations":1000,"salt":"AAAA"}""" },
        { ErrorIds.Luks2KeyslotInvalid, """{"type":"pbkdf2","hash":"sha256","iterations":1000,"salt":"no base64"}""" },
        { ErrorIds.KdfCostTooHigh, """{"type":"argon2id","time":4,"memory":4294967295,"cpus":4,"salt":"$"}""" },
        { ErrorIds.KdfCostTooHigh, """{"type":"argon2id","time":4,"memory":4194305,"cpus":4,"salt":"$"}""" },
        { ErrorIds.KdfCostTooHigh, """{"type":"argon2i","time":4294967295,"memory":1048576,"cpus":4,"salt":"$"}""" },
        { ErrorIds.KdfCostTooHigh, """{"type":"argon2id","time":4097,"memory":4194304,"cpus":4,"salt":"$"}""" },
        { ErrorIds.Luks2KeyslotInvalid, """{"type":"argon2id","time":0,"memory":32,"cpus":1,"salt":"$"}""" },
        { ErrorIds.Luks2KeyslotInvalid, """{"type":"argon2id","time":4,"memory":32,"cpus":0,"salt":"$"}""" },
        { ErrorIds.Luks2KeyslotInvalid, """{"type":"argon2id","time":4,"memory":32,"cpus":5,"salt":"$"}""" },
        { ErrorIds.Luks2KeyslotInvalid, """{"type":"argon2id","time":4,"memory":7,"cpus":1,"salt":"$"}""" },
        { ErrorIds.Luks2KeyslotInvalid, """{"type":"argon2id","time":4,"memory":4294967295,"cpus":4294967295,"salt":"$"}""" },
        { ErrorIds.Luks2KeyslotInvalid, """{"type":"argon2id","time":4,"memory":32,"cpus":1,"salt":"AAAA"}""" },
        { ErrorIds.KdfUnsupported, """{"type":"scrypt","salt":"$"}""" },
    };

    [Theory]
    [MemberData(nameof(UnusableSlots))]
    public async Task A_slot_that_cannot_be_used_costs_only_itself(string errorId, string kdf)
    {
        Luks2Disk disk = await GoodAsync();
        disk.Edit(json => json["keyslots"]!["0"]!["kdf"] = JsonNode.Parse(kdf.Replace("$", Convert.ToBase64String(new byte[32]), StringComparison.Ordinal)));
        LuksHeader header = await Sample.OpenAsync(new MemoryDevice(disk.Bytes));

        Assert.Equal(1, (await header.UnlockAsync("second")).Slot);
        var named = await Assert.ThrowsAnyAsync<VmCryptException>(() => header.UnlockAsync(Sample.Passphrase, 0));
        Assert.Equal(errorId, named.ErrorId);
        var wrong = await Assert.ThrowsAsync<WrongKeyException>(() => header.UnlockAsync(Sample.Passphrase));
        Assert.Equal(errorId, Assert.IsAssignableFrom<VmCryptException>(wrong.InnerException).ErrorId);
    }

    [Theory]
    [InlineData("key_size", 63)]
    [InlineData("key_size", 0)]
    [InlineData("key_size", 4097)]
    [InlineData("area.key_size", 65)]
    [InlineData("area.key_size", 4294967295)]
    [InlineData("af.stripes", 3999)]
    [InlineData("area.size", 252000)]
    public async Task A_slot_that_does_not_add_up_is_not_tried(string member, long value)
    {
        Luks2Disk disk = await GoodAsync();
        disk.Edit(json =>
        {
            string[] path = member.Split('.');
            JsonNode owner = path.Length == 1 ? json["keyslots"]!["0"]! : json["keyslots"]!["0"]![path[0]]!;
            owner[path[^1]] = member == "area.size" ? value.ToString() : value;
        });
        LuksHeader header = await Sample.OpenAsync(new MemoryDevice(disk.Bytes));

        // 63 bytes are a possible slot, whose key no digest proves.
        var error = await Assert.ThrowsAnyAsync<VmCryptException>(() => header.UnlockAsync(Sample.Passphrase, 0));
        Assert.Equal(value == 63 ? ErrorIds.WrongPassphrase : ErrorIds.Luks2KeyslotInvalid, error.ErrorId);
        Assert.Equal(1, (await header.UnlockAsync("second")).Slot);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Random_damage_is_refused_or_read_and_never_anything_else(int seed)
    {
        byte[] good = (await GoodAsync()).Bytes;
        var random = new Random(seed);
        int opened = 0;
        for (int round = 0; round < 400; round++)
        {
            var disk = new Luks2Disk([.. good]);
            byte[] text = Encoding.UTF8.GetBytes(disk.Text());
            for (int changes = random.Next(1, 4); changes > 0; changes--)
            {
                // Digits and signs of JSON are what keeps the text readable and its meaning wrong.
                text[random.Next(text.Length)] = (byte)"0123456789\"{}[],:-"[random.Next(18)];
            }

            disk.Put(text);
            try
            {
                LuksHeader header = await Sample.OpenAsync(new MemoryDevice(disk.Bytes));
                Assert.InRange(header.HeaderLength, 32768, disk.Bytes.Length);
                opened++;
            }
            catch (VmCryptException)
            {
                // Any other kind of exception fails the test.
            }
        }

        Assert.InRange(opened, 1, 399);
    }

    private static async Task<Luks2Disk> GoodAsync() => new([.. await s_good.Value]);
}
