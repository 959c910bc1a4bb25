using System.Buffers.Binary;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Luks.Luks2;

namespace VmCrypt.Core.Tests.Luks;

public sealed class HeaderConversionTests
{
    /// <summary>LUKS2 that LUKS1 has a place for.</summary>
    private static readonly LuksFormatOptions s_plain = Sample.Luks2Options with { SectorSize = 512, KeyslotsSize = 10 * 258048 };

    public static TheoryData<string, int, HashKind> Ciphers => new()
    {
        { "aes-xts-plain64", 64, HashKind.Sha256 },
        { "aes-xts-plain64", 32, HashKind.Sha512 },
        { "aes-cbc-essiv:sha256", 16, HashKind.Sha1 },
        { "aes-cbc-plain", 24, HashKind.Whirlpool },
        { "aes-ecb", 32, HashKind.Ripemd160 },
        { "serpent-xts-plain64", 48, HashKind.Sha384 },
    };

    public static TheoryData<string, Func<LuksHeader, VolumeKey, Task>, string> Refusals => new()
    {
        { "token", (header, _) => header.AddTokenAsync("""{"type":"x","keyslots":[]}""", null, Sample.Token).AsTask(), ErrorIds.ConversionTokens },
        { "unbound slot", AddUnboundAsync, ErrorIds.ConversionUnbound },
        { "slot 8", (header, key) => header.AddAsync(key, "x", 8), ErrorIds.ConversionSlotNumber },
        { "Argon2", (header, key) => AddAsync(header, key, KdfCost.OfArgon2(KdfKind.Argon2id, 4, 32, 1)), ErrorIds.ConversionKdf },
        { "no slot", (header, _) => header.RemoveAsync(0, force: true), ErrorIds.NoActiveKeySlot },
    };

    public static TheoryData<string, Action<Luks2Disk>, string> Headers => new()
    {
        { "hash of the KDF", disk => disk.Edit(json => json["keyslots"]!["0"]!["kdf"]!["hash"] = "sha512"), ErrorIds.ConversionHash },
        { "hash of the splitter", disk => disk.Edit(json => json["keyslots"]!["0"]!["af"]!["hash"] = "sha1"), ErrorIds.ConversionHash },
        { "cipher of the material", disk => disk.Edit(json => json["keyslots"]!["0"]!["area"]!["encryption"] = "aes-cbc-plain64"), ErrorIds.ConversionSlotCipher },
        { "IV offset", disk => disk.Edit(json => json["segments"]!["0"]!["iv_tweak"] = "8"), ErrorIds.ConversionPayload },
        { "fixed size", disk => disk.Edit(json => json["segments"]!["0"]!["size"] = "512"), ErrorIds.ConversionPayload },
        { "sector size", disk => disk.Edit(json => json["segments"]!["0"]!["sector_size"] = 1024), ErrorIds.ConversionPayload },
    };

    [Theory]
    [MemberData(nameof(Ciphers))]
    public async Task There_and_back_every_passphrase_opens_and_the_payload_is_untouched(string cipher, int keySize, HashKind hash)
    {
        LuksFormatOptions options = Sample.Options with { Cipher = CipherSpec.Parse(cipher), KeySize = keySize, Hash = hash, ForQemu = false };
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(options);
        await header.AddAsync(key, "second", 3);
        byte[] payload = device.ToArray()[(int)header.Payload.Offset..];

        LuksHeader there = await ConvertAsync(header);

        Assert.Equal(LuksVersion.Luks2, there.Version);
        Assert.Null(there.Facts.DamagedCopy);
        Assert.Equal([0, 3], there.Slots.Select(slot => slot.Number));
        await AssertOpensAsync(device, key);
        LuksHeader back = await ConvertAsync(await Sample.OpenAsync(device));
        Assert.Equal(LuksVersion.Luks1, back.Version);
        Assert.Equal([0, 3], back.Slots.Where(slot => slot.IsActive).Select(slot => slot.Number));
        await AssertOpensAsync(device, key);
        Assert.Equal(header.Uuid, back.Uuid);
        Assert.Equal(payload, device.ToArray()[(int)back.Payload.Offset..]);
    }

    [Fact]
    public async Task A_header_made_without_room_to_spare_converts_where_a_slot_is_free()
    {
        // As QEMU makes it: the payload begins right behind the key material, which cryptsetup refuses.
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Sample.Options with { PayloadAlignment = 512 });
        Assert.Equal(4040 * 512, header.Payload.Offset);
        await header.AddAsync(key, "second", 7);

        await ConvertAsync(header);

        await AssertOpensAsync(device, key);
    }

    [Fact]
    public async Task A_header_with_all_slots_in_use_has_no_room()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();
        foreach (int slot in Enumerable.Range(1, 7))
        {
            await header.AddAsync(key, "more", slot);
        }

        await AssertRefusedAsync(device, LuksPlacement.Attached, ErrorIds.ConversionNoRoom);
    }

    [Fact]
    public async Task Only_the_last_slot_need_be_free()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();
        foreach (int slot in Enumerable.Range(1, 6))
        {
            await header.AddAsync(key, $"passphrase {slot}", slot);
        }

        LuksHeader there = await ConvertAsync(header);

        Assert.Equal(Enumerable.Range(0, 7), there.Slots.Select(slot => slot.Number));
        foreach (int slot in Enumerable.Range(1, 6))
        {
            Assert.Equal(slot, (await there.UnlockAsync($"passphrase {slot}")).Slot);
        }

        Assert.Equal(0, (await there.UnlockAsync(Sample.Passphrase)).Slot);
    }

    [Fact]
    public async Task What_the_moved_slot_left_behind_is_destroyed()
    {
        (MemoryDevice device, LuksHeader header, _) = await Sample.FormatAsync();
        byte[] before = device.ToArray();

        await ConvertAsync(header);

        KeySlotFacts slot = header.Slots[0];
        byte[] after = device.ToArray();
        for (long at = slot.AreaOffset; at < slot.AreaOffset + slot.AreaLength; at += 512)
        {
            Assert.False(before.AsSpan((int)at, 512).SequenceEqual(after.AsSpan((int)at, 512)), $"key material at {at}");
        }
    }

    [Fact]
    public async Task A_converted_header_can_be_changed()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();

        LuksHeader there = await ConvertAsync(header);
        await there.AddAsync(key, "added in LUKS2");
        await there.ChangeAsync(key, 0, "changed in LUKS2");
        LuksHeader back = await ConvertAsync(await Sample.OpenAsync(device));
        await back.AddAsync(key, "added in LUKS1");

        foreach (string passphrase in new[] { "added in LUKS2", "changed in LUKS2", "added in LUKS1" })
        {
            await (await Sample.OpenAsync(device)).AssertOpensAsync(passphrase, key);
        }
    }

    [Fact]
    public async Task A_detached_header_converts_by_itself()
    {
        LuksFormatOptions options = Sample.Options with { Placement = LuksPlacement.Detached };
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(options);

        await ConvertAsync(header);
        await AssertOpensAsync(device, key, LuksPlacement.Detached, second: false);
        await ConvertAsync(await Sample.OpenAsync(device, LuksPlacement.Detached));
        await AssertOpensAsync(device, key, LuksPlacement.Detached, second: false);
    }

    [Fact]
    public async Task A_header_inside_a_container_stays_as_it_is()
    {
        (MemoryDevice device, _, _) = await Sample.FormatAsync(Sample.Options with { Placement = LuksPlacement.Embedded });

        await AssertRefusedAsync(device, LuksPlacement.Embedded, ErrorIds.ConversionEmbedded);
    }

    [Fact]
    public async Task Key_slots_between_pages_are_refused()
    {
        (MemoryDevice device, _, _) = await Sample.FormatAsync();
        byte[] disk = device.ToArray();
        BinaryPrimitives.WriteUInt32BigEndian(disk.AsSpan(208 + (7 * 48) + 40), 3537);

        await AssertRefusedAsync(new MemoryDevice(disk), LuksPlacement.Attached, ErrorIds.ConversionMisaligned);
    }

    [Fact]
    public async Task Metadata_of_luksmeta_is_not_overwritten()
    {
        (MemoryDevice device, _, _) = await Sample.FormatAsync();
        byte[] disk = device.ToArray();
        "LUKSMETA"u8.CopyTo(disk.AsSpan(4040 * 512));

        await AssertRefusedAsync(new MemoryDevice(disk), LuksPlacement.Attached, ErrorIds.ConversionForeignMetadata);
    }

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task What_LUKS1_does_not_have_is_refused_by_name(string what, Func<LuksHeader, VolumeKey, Task> change, string errorId)
    {
        Assert.NotEmpty(what);
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(s_plain);
        await change(header, key);

        await AssertRefusedAsync(device, LuksPlacement.Attached, errorId);
    }

    [Theory]
    [MemberData(nameof(Headers))]
    public async Task Words_that_LUKS1_cannot_say_are_refused_by_name(string what, Action<Luks2Disk> change, string errorId)
    {
        Assert.NotEmpty(what);
        (MemoryDevice device, _, _) = await Sample.FormatAsync(s_plain);
        var disk = new Luks2Disk(device.ToArray());
        change(disk);

        await AssertRefusedAsync(new MemoryDevice(disk.Bytes), LuksPlacement.Attached, errorId);
    }

    [Fact]
    public async Task Eight_slots_of_LUKS1_must_find_room()
    {
        (MemoryDevice device, _, _) = await Sample.FormatAsync(s_plain with { KeyslotsSize = 3 * 258048 });

        await AssertRefusedAsync(device, LuksPlacement.Attached, ErrorIds.ConversionNoRoom);
    }

    [Fact]
    public async Task What_is_lost_is_said()
    {
        (_, LuksHeader header, _) = await Sample.FormatAsync(s_plain with { Label = "web" });
        await header.SetPriorityAsync(0, KeySlotPriority.Prefer, Sample.Token);

        LuksConversion conversion = await header.PlanConversionAsync(Sample.Token);

        Assert.Equal(2, conversion.Losses.Count);
        Assert.Contains("'web'", conversion.Losses[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_header_that_was_changed_meanwhile_is_left_alone()
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync();
        LuksConversion conversion = await header.PlanConversionAsync(Sample.Token);
        await (await Sample.OpenAsync(device)).AddAsync(key, "second");
        byte[] before = device.ToArray();

        var busy = await Assert.ThrowsAsync<DeviceBusyException>(() => conversion.RunAsync(Sample.Token).AsTask());

        Assert.Equal(ErrorIds.LuksHeaderChanged, busy.ErrorId);
        Assert.Equal(before, device.ToArray());
    }

    private static async Task<LuksHeader> ConvertAsync(LuksHeader header) =>
        await (await header.PlanConversionAsync(Sample.Token)).RunAsync(Sample.Token);

    private static async Task AssertOpensAsync(MemoryDevice device, VolumeKey key, LuksPlacement placement = LuksPlacement.Attached, bool second = true)
    {
        LuksHeader header = await Sample.OpenAsync(device, placement);
        foreach (string passphrase in second ? new[] { Sample.Passphrase, "second" } : [Sample.Passphrase])
        {
            await header.AssertOpensAsync(passphrase, key);
        }
    }

    private static async Task AssertRefusedAsync(MemoryDevice device, LuksPlacement placement, string errorId)
    {
        byte[] before = device.ToArray();
        LuksHeader header = await Sample.OpenAsync(device, placement);

        var refusal = await Assert.ThrowsAnyAsync<VmCryptException>(() => header.PlanConversionAsync(Sample.Token).AsTask());

        Assert.Equal(errorId, refusal.ErrorId);
        Assert.Equal(before, device.ToArray());
    }

    private static async Task AddUnboundAsync(LuksHeader header, VolumeKey key)
    {
        using SecretBuffer own = SecretBuffer.Random(32);
        using SecretBuffer passphrase = Sample.Secret("new");
        await header.AddUnboundSlotAsync(own, passphrase, null, Sample.Options.Cost, Sample.Token);
    }

    private static async Task AddAsync(LuksHeader header, VolumeKey key, KdfCost cost)
    {
        using SecretBuffer passphrase = Sample.Secret("new");
        await header.AddSlotAsync(key, passphrase, null, cost, Sample.Token);
    }
}
