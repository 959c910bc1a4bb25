using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Core.Tests.Luks.Luks2;

public sealed class Luks2TokenTests
{
    private const string Good = """{"type":"clevis","keyslots":["0"],"jwe":{"a":"+/="}}""";

    [Fact]
    public async Task A_token_is_stored_shown_and_removed()
    {
        (MemoryDevice device, LuksHeader header, _) = await Sample.FormatAsync(Sample.Luks2Options);

        Assert.Equal(0, await header.AddTokenAsync(Good, null, Sample.Token));
        Assert.Equal(5, await header.AddTokenAsync("""{"type":"x","keyslots":[]}""", 5, Sample.Token));
        Assert.Equal(1, await header.AddTokenAsync(Good, null, Sample.Token));

        LuksHeader again = await Sample.OpenAsync(device);
        Assert.Equal([(0, "clevis"), (1, "clevis"), (5, "x")], again.Facts.Tokens.Select(token => (token.Number, token.Type)));
        Assert.Equal([0], again.Facts.Tokens[0].KeySlots);
        Assert.Equal(Good, again.Facts.Tokens[0].Json);

        await again.RemoveTokenAsync(0, Sample.Token);
        Assert.Equal([1, 5], again.Facts.Tokens.Select(token => token.Number));
        Assert.Equal(ErrorIds.KeyTokenMissing, (await Assert.ThrowsAsync<MissingException>(async () => await again.RemoveTokenAsync(0, Sample.Token))).ErrorId);
        Assert.Equal(0, (await again.UnlockAsync(Sample.Passphrase)).Slot);
    }

    [Fact]
    public async Task A_token_is_replaced_in_one_change_of_the_header()
    {
        (MemoryDevice device, LuksHeader header, _) = await Sample.FormatAsync(Sample.Luks2Options);
        await header.AddTokenAsync(Good, 3, Sample.Token);
        ulong epoch = header.Facts.Epoch;

        await header.SetTokenAsync(3, """{"type":"other","keyslots":[]}""", Sample.Token);

        LuksHeader again = await Sample.OpenAsync(device);
        Assert.Equal((3, "other"), again.Facts.Tokens.Select(token => (token.Number, token.Type)).Single());
        Assert.Equal(epoch + 1, again.Facts.Epoch);
        Assert.Equal(ErrorIds.KeyTokenMissing,
            (await Assert.ThrowsAsync<MissingException>(async () => await again.SetTokenAsync(0, Good, Sample.Token))).ErrorId);
        Assert.Equal(ErrorIds.KeyTokenInvalid,
            (await Assert.ThrowsAsync<InvalidInputException>(async () => await again.SetTokenAsync(3, "{}", Sample.Token))).ErrorId);
    }

    [Fact]
    public async Task A_slot_and_its_token_are_made_in_one_change_of_the_header()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        await header.AddAsync(key, "second");
        await header.AddTokenAsync(Good, null, Sample.Token);
        ulong epoch = header.Facts.Epoch;
        using SecretBuffer passphrase = Sample.Secret("third");

        (int slot, int token) = await header.AddSlotWithTokenAsync(key, passphrase, null, Sample.Options.Cost, Good, Sample.Token);

        LuksHeader again = await Sample.OpenAsync(device);
        Assert.Equal((2, 1), (slot, token));
        Assert.Equal([2], again.Facts.Tokens[1].KeySlots);
        Assert.Equal(epoch + 1, again.Facts.Epoch);
        Assert.Equal(2, (await again.UnlockAsync("third")).Slot);
        Assert.True(again.Facts.HoldsRandomKey(2));
        Assert.False(again.Facts.HoldsRandomKey(1));
    }

    [Fact]
    public async Task A_type_shows_no_control_characters()
    {
        (_, LuksHeader header, _) = await Sample.FormatAsync(Sample.Luks2Options);

        await header.AddTokenAsync("""{"type":"x\u001b[2J","keyslots":[]}""", null, Sample.Token);

        Assert.Equal("x?[2J", header.Facts.Tokens[0].Type);
        Assert.DoesNotContain('\u001b', header.Facts.Tokens[0].Json);
    }

    [Fact]
    public async Task A_token_forgets_a_slot_that_is_removed_and_remembers_one_that_is_changed()
    {
        (_, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Luks2Options);
        await header.AddAsync(key, "second");
        await header.AddTokenAsync("""{"type":"x","keyslots":["0","1"]}""", null, Sample.Token);

        await header.ChangeAsync(key, 0, "changed");
        await header.RemoveAsync(1);

        Assert.Equal([0], header.Facts.Tokens[0].KeySlots);
    }

    [Theory]
    [InlineData("")]
    [InlineData("no json")]
    [InlineData("[]")]
    [InlineData("42")]
    [InlineData("null")]
    [InlineData("""{"keyslots":[]}""")]
    [InlineData("""{"type":"x"}""")]
    [InlineData("""{"type":"","keyslots":[]}""")]
    [InlineData("""{"type":"x","keyslots":[0]}""")]
    [InlineData("""{"type":"x","keyslots":["7"]}""")]
    [InlineData("""{"type":"x","keyslots":["one"]}""")]
    [InlineData("""{"type":"x","type":"y","keyslots":[]}""")]
    [InlineData("""{"type":"luks2-other","keyslots":[]}""")]
    [InlineData("""{"type":"luks2-keyring","keyslots":[]}""")]
    [InlineData("""{"type":"luks2-keyring","keyslots":[],"key_description":""}""")]
    [InlineData("""{"type":"luks2-keyring","keyslots":[],"key_description":"x","more":1}""")]
    public async Task What_is_no_token_is_not_stored(string json)
    {
        (MemoryDevice device, LuksHeader header, _) = await Sample.FormatAsync(Sample.Luks2Options);
        byte[] before = device.ToArray();

        var error = await Assert.ThrowsAsync<InvalidInputException>(async () => await header.AddTokenAsync(json, null, Sample.Token));

        Assert.Equal(ErrorIds.KeyTokenInvalid, error.ErrorId);
        Assert.Equal(before, device.ToArray());
    }

    [Fact]
    public async Task Numbers_of_tokens_have_limits()
    {
        (_, LuksHeader header, _) = await Sample.FormatAsync(Sample.Luks2Options with { MetadataSize = 0x8000 });
        for (int number = 0; number < 32; number++)
        {
            await header.AddTokenAsync("""{"type":"x","keyslots":[]}""", null, Sample.Token);
        }

        Assert.Equal(ErrorIds.KeyTokensFull, (await Assert.ThrowsAsync<RefusedException>(() => AddAsync(null))).ErrorId);
        Assert.Equal(ErrorIds.KeyTokensFull, (await Assert.ThrowsAsync<RefusedException>(() => AddAsync(3))).ErrorId);
        Assert.Equal(ErrorIds.KeyTokenInvalid, (await Assert.ThrowsAsync<InvalidInputException>(() => AddAsync(32))).ErrorId);
        Assert.Equal(ErrorIds.KeyTokenInvalid, (await Assert.ThrowsAsync<InvalidInputException>(() => AddAsync(-1))).ErrorId);

        Task AddAsync(int? number) => header.AddTokenAsync(Good, number, Sample.Token).AsTask();
    }

    [Fact]
    public async Task Labels_are_changed_one_by_one()
    {
        (MemoryDevice device, LuksHeader header, _) = await Sample.FormatAsync(Sample.Luks2Options with { Label = "old", Subsystem = "kept" });

        await header.SetLabelAsync("neu: größer", null, Sample.Token);
        Assert.Equal(("neu: größer", "kept", 2UL), Names(await Sample.OpenAsync(device)));

        await header.SetLabelAsync(null, string.Empty, Sample.Token);
        Assert.Equal(("neu: größer", "", 3UL), Names(await Sample.OpenAsync(device)));
        await Assert.ThrowsAsync<InvalidInputException>(async () => await header.SetLabelAsync(new string('x', 48), null, Sample.Token));

        static (string, string, ulong) Names(LuksHeader header) => (header.Facts.Label, header.Facts.Subsystem, header.Facts.Epoch);
    }
}
