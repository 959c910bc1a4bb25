using VmCrypt.Core.Block;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Luks.Luks2;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Luks;

public sealed class HeaderEraseTests
{
    public static TheoryData<LuksVersion> Versions => [LuksVersion.Luks1, LuksVersion.Luks2];

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Nothing_of_any_slot_is_left_and_only_the_volume_key_opens(LuksVersion version)
    {
        (MemoryDevice device, LuksHeader header, VolumeKey key) = await Sample.FormatAsync(Options(version));
        await header.AddAsync(key, "second", 2);
        byte[] before = device.ToArray();

        LuksErasure erasure = await header.EraseAsync(Sample.Token);

        Assert.Equal((2, version == LuksVersion.Luks1 ? 8 : 2), (erasure.SlotsDestroyed, erasure.SlotsOverwritten));
        LuksHeader again = await Sample.OpenAsync(device);
        Assert.DoesNotContain(again.Slots, slot => slot.IsActive);
        var none = await Assert.ThrowsAsync<MissingException>(() => again.UnlockAsync(Sample.Passphrase));
        Assert.Equal(ErrorIds.NoActiveKeySlot, none.ErrorId);
        using var raw = key.Export();
        (await again.UnlockWithVolumeKeyAsync(raw, Sample.Token)).Dispose();
        byte[] after = device.ToArray();
        long start = version == LuksVersion.Luks1 ? 4096 : 32768;
        for (long at = start; at < header.HeaderLength; at += 512)
        {
            Assert.False(before.AsSpan((int)at, 512).SequenceEqual(after.AsSpan((int)at, 512)), $"byte {at}");
        }

        Assert.Equal(before.AsSpan((int)header.Payload.Offset), after.AsSpan((int)header.Payload.Offset));
    }

    [Fact]
    public async Task No_salt_and_no_token_is_left_in_either_copy()
    {
        (MemoryDevice device, LuksHeader header, _) = await Sample.FormatAsync(Sample.Luks2Options);
        await header.AddTokenAsync("""{"type":"clevis","keyslots":["0"]}""", null, Sample.Token);
        string salt = new Luks2Disk(device.ToArray()).Json()["keyslots"]!["0"]!["kdf"]!["salt"]!.GetValue<string>();

        LuksErasure erasure = await header.EraseAsync(Sample.Token);

        Assert.Equal(1, erasure.TokensRemoved);
        var disk = new Luks2Disk(device.ToArray());
        foreach (int copy in new[] { 0, 1 })
        {
            Assert.DoesNotContain(salt, disk.Text(copy), StringComparison.Ordinal);
            Assert.Empty(disk.Json(copy)["tokens"]!.AsObject());
            Assert.Empty(disk.Json(copy)["keyslots"]!.AsObject());
        }
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Every_pass_over_key_material_is_flushed_by_itself(LuksVersion version)
    {
        byte[] disk = (await Sample.FormatAsync(Options(version))).Device.ToArray();
        DiskHistory history = await DiskHistory.RecordAsync(disk, async device => await (await Sample.OpenAsync(device)).EraseAsync(Sample.Token));

        Effect[] onMaterial = [.. history.Effects.SkipWhile(effect => effect is not WriteEffect { Offset: 4096 or 32768, Bytes.Length: > 16384 })];
        int passes = onMaterial.Count(effect => effect is WriteEffect { Offset: 4096 or 32768 });
        Assert.True(passes >= 40, $"{passes} passes");
        Assert.True(onMaterial.Count(effect => effect is FlushEffect) >= passes);
        Assert.DoesNotContain(onMaterial.Zip(onMaterial.Skip(1)), pair =>
            pair is { First: WriteEffect a, Second: WriteEffect b } && a.Offset == b.Offset);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_medium_that_keeps_its_key_material_is_found_out(LuksVersion version)
    {
        byte[] disk = (await Sample.FormatAsync(Options(version))).Device.ToArray();
        await using var lying = new ForgetfulDevice(new MemoryDevice(disk), version == LuksVersion.Luks1 ? 4096 : 32768, disk.Length);

        LuksHeader header = await Sample.OpenAsync(lying);
        var fault = await Assert.ThrowsAsync<DeviceFaultException>(() => header.EraseAsync(Sample.Token).AsTask());

        Assert.Equal(ErrorIds.KeyMaterialNotErased, fault.ErrorId);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_medium_that_keeps_its_header_is_found_out(LuksVersion version)
    {
        byte[] disk = (await Sample.FormatAsync(Options(version))).Device.ToArray();
        await using var lying = new ForgetfulDevice(new MemoryDevice(disk), 0, 4096);

        LuksHeader header = await Sample.OpenAsync(lying);
        var fault = await Assert.ThrowsAsync<DeviceFaultException>(() => header.EraseAsync(Sample.Token).AsTask());

        Assert.Equal(ErrorIds.KeyMaterialNotErased, fault.ErrorId);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task It_can_be_repeated_after_it_was_cut_short(LuksVersion version)
    {
        byte[] disk = (await Sample.FormatAsync(Options(version))).Device.ToArray();
        DiskHistory history = await DiskHistory.RecordAsync(disk, async device => await (await Sample.OpenAsync(device)).EraseAsync(Sample.Token));

        foreach (int count in Enumerable.Range(0, 14).Append(history.Count / 2))
        {
            MemoryDevice left = history.AfterPowerCut(count, seed: count);
            await (await Sample.OpenAsync(left)).EraseAsync(Sample.Token);
            Assert.DoesNotContain((await Sample.OpenAsync(left)).Slots, slot => slot.IsActive);
        }
    }

    private static LuksFormatOptions Options(LuksVersion version) => version == LuksVersion.Luks1 ? Sample.Options : Sample.Luks2Options;
}
