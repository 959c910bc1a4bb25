using System.Text.Json.Nodes;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Keys;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Stack;

namespace VmCrypt.Interop.Tests.Luks;

/// <summary>What the key commands make of slots, cryptsetup uses, and the reverse.</summary>
public sealed class KeyLifeTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly Cryptsetup _cryptsetup;

    public KeyLifeTests() => _cryptsetup = new Cryptsetup(_scratch);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<KdfKind, long, long?, int?> Costs => new()
    {
        { KdfKind.Pbkdf2, 1234, null, null },
        { KdfKind.Argon2i, 4, 64, 2 },
        { KdfKind.Argon2id, 5, 32, 1 },
    };

    [Theory]
    [MemberData(nameof(Costs))]
    public async Task A_slot_that_we_add_has_the_number_cost_and_priority_that_cryptsetup_shows(KdfKind kind, long iterations, long? memoryKiB, int? lanes)
    {
        LuksDisk disk = _cryptsetup.FormatLuks2();
        KdfCost cost = kind == KdfKind.Pbkdf2 ? KdfCost.OfIterations(iterations) : KdfCost.OfArgon2(kind, iterations, memoryKiB!.Value, lanes!.Value);

        await AddAsync(disk, LuksDisk.Passphrase, "second", cost, slot: 7, KeySlotPriority.Prefer);

        Assert.True(_cryptsetup.Opens(disk, "second", "--key-slot", "7"));
        JsonNode slot = _cryptsetup.Json(disk)["keyslots"]!["7"]!;
        Assert.Equal(2, slot["priority"]!.GetValue<int>());
        JsonNode kdf = slot["kdf"]!;
        Assert.Equal(kind.ToString().ToLowerInvariant(), kdf["type"]!.GetValue<string>());
        Assert.Equal(iterations, (kdf["iterations"] ?? kdf["time"])!.GetValue<long>());
        Assert.Equal((memoryKiB, lanes), (kdf["memory"]?.GetValue<long>(), kdf["cpus"]?.GetValue<int>()));
    }

    [Fact]
    public async Task Priorities_go_both_ways()
    {
        LuksDisk disk = _cryptsetup.FormatLuks2();
        _cryptsetup.AddKey(disk, LuksDisk.Passphrase, "second");
        Tools.Run("cryptsetup", "config", "--key-slot", "0", "--priority", "ignore", disk.Path);
        Assert.Equal([KeySlotPriority.Ignore, KeySlotPriority.Normal], (await SlotsAsync(disk)).Select(slot => slot.Priority));
        Assert.Null(await disk.SlotOfAsync(LuksDisk.Passphrase));

        await KeySlots.SetPriorityAsync(Location(disk), DiskOpenOptions.Default, 0, KeySlotPriority.Normal, Token);
        await KeySlots.SetPriorityAsync(Location(disk), DiskOpenOptions.Default, 1, KeySlotPriority.Ignore, Token);

        Assert.True(_cryptsetup.Opens(disk, LuksDisk.Passphrase));
        Assert.False(_cryptsetup.Opens(disk, "second"));
        Assert.True(_cryptsetup.Opens(disk, "second", "--key-slot", "1"));
    }

    [Fact]
    public async Task A_key_of_its_own_goes_both_ways()
    {
        LuksDisk disk = _cryptsetup.FormatLuks2();
        byte[] ours = [.. Enumerable.Range(0, 48).Select(value => (byte)value)];
        using SecretBuffer key = SecretBuffer.CopyOf(ours);
        using SecretBuffer own = LuksDisk.Secret("ours");
        int slot = (await KeySlots.AddUnboundAsync(Location(disk), DiskOpenOptions.Default, key, new NewKeySlot(own, LuksDisk.Quick.Cost), Token)).Slot;
        Assert.Equal(ours, DumpUnbound(disk, slot, "ours"));
        Assert.False(_cryptsetup.Opens(disk, "ours"));

        Tools.Run("cryptsetup", "luksAddKey", "-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
            "--unbound", "--key-size", "256", "--key-slot", "9", disk.Path, _cryptsetup.KeyFile("theirs"));
        using var keys = new DiskKeys(LuksDisk.Secret("theirs")) { Slot = 9 };
        await VolumeKeyExport.RunAsync(Location(disk), DiskOpenOptions.Default, keys, _scratch["read"], Token);
        Assert.Equal(DumpUnbound(disk, 9, "theirs"), File.ReadAllBytes(_scratch["read"]));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_volume_key_is_a_way_in_for_both(int version)
    {
        LuksDisk disk = version == 2 ? _cryptsetup.FormatLuks2() : _cryptsetup.Format("aes-xts-plain64", 512, "sha256");
        using var keys = new DiskKeys { VolumeKey = SecretBuffer.CopyOf(_cryptsetup.VolumeKey(disk)), Slot = 0 };
        using SecretBuffer second = LuksDisk.Secret("second");
        await KeySlots.AddAsync(Location(disk), DiskOpenOptions.Default, keys, new NewKeySlot(second, LuksDisk.Quick.Cost), Token);
        Assert.True(_cryptsetup.Opens(disk, "second"));

        string file = _scratch.File("volume.key", await disk.VolumeKeyAsync("second"));
        Tools.Run("cryptsetup", "luksAddKey", "-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
            "--volume-key-file", file, disk.Path, _cryptsetup.KeyFile("third"));
        Assert.NotNull(await disk.SlotOfAsync("third"));

        using SecretBuffer fourth = LuksDisk.Secret("fourth");
        await KeyRotation.ChangeAsync(Location(disk), DiskOpenOptions.Default, keys, new NewKeySlot(fourth, LuksDisk.Quick.Cost), Token);
        Assert.True(_cryptsetup.Opens(disk, "fourth"));
        Assert.False(_cryptsetup.Opens(disk, LuksDisk.Passphrase));
    }

    [Fact]
    public async Task A_derivation_changes_under_a_passphrase_that_stays()
    {
        LuksDisk disk = _cryptsetup.FormatLuks2();
        await RenewAsync(disk, KdfCost.OfArgon2(KdfKind.Argon2id, 4, 64, 1));
        Assert.True(_cryptsetup.Opens(disk, LuksDisk.Passphrase));
        Assert.Equal("argon2id", _cryptsetup.Json(disk)["keyslots"]!["0"]!["kdf"]!["type"]!.GetValue<string>());

        Tools.Run("cryptsetup", "luksConvertKey", "-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1500",
            "--key-slot", "0", "--key-file", _cryptsetup.KeyFile(LuksDisk.Passphrase), disk.Path);
        Assert.Equal(("pbkdf2", 1500L), (await SlotsAsync(disk)).Select(slot => (slot.Kdf, slot.Iterations)).Single());
        await RenewAsync(disk, KdfCost.OfIterations(2500));
        Assert.True(_cryptsetup.Opens(disk, LuksDisk.Passphrase));
        Assert.Equal(2500, _cryptsetup.Json(disk)["keyslots"]!["0"]!["kdf"]!["iterations"]!.GetValue<int>());
    }

    [Fact]
    public async Task A_reencryption_that_cryptsetup_has_begun_is_named_with_what_to_do_and_its_facts_are_shown()
    {
        LuksDisk disk = _cryptsetup.FormatLuks2("--luks2-keyslots-size", "4m");
        Tools.Run("cryptsetup", "reencrypt", "-q", "--init-only", "--resilience", "none", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000",
            "--key-file", _cryptsetup.KeyFile(LuksDisk.Passphrase), disk.Path);

        UnsupportedFeatureException error = await Assert.ThrowsAsync<UnsupportedFeatureException>(
            async () => await DiskStack.OpenAsync(Location(disk), DiskOpenOptions.Default, Token));
        Assert.Equal(ErrorIds.Luks2ReencryptionUnfinished, error.ErrorId);
        Assert.Contains("cryptsetup reencrypt --resume-only", error.Message, StringComparison.Ordinal);

        ImageDescription description = await ImageInspector.DescribeAsync(Location(disk), DiskOpenOptions.Default, Token);
        Assert.Equal(ErrorIds.Luks2ReencryptionUnfinished, description.Unusable!.ErrorId);
        Assert.Contains(description.Luks!.Requirements, requirement => requirement.StartsWith("online-reencrypt", StringComparison.Ordinal));
    }

    public void Dispose() => _scratch.Dispose();

    private static DiskLocation Location(LuksDisk disk) => DiskLocation.Parse(disk.Path);

    private static async Task<KeySlotFacts[]> SlotsAsync(LuksDisk disk) =>
        [.. (await KeySlots.ListAsync(Location(disk), DiskOpenOptions.Default, Token)).Where(slot => slot.IsActive)];

    private static async Task AddAsync(LuksDisk disk, string current, string added, KdfCost cost, int slot, KeySlotPriority priority)
    {
        using var keys = new DiskKeys(LuksDisk.Secret(current));
        using SecretBuffer secret = LuksDisk.Secret(added);
        await KeySlots.AddAsync(Location(disk), DiskOpenOptions.Default, keys, new NewKeySlot(secret, cost, slot, priority), Token);
    }

    private static async Task RenewAsync(LuksDisk disk, KdfCost cost)
    {
        using var keys = new DiskKeys(LuksDisk.Secret(LuksDisk.Passphrase));
        await KeyRotation.RenewAsync(Location(disk), DiskOpenOptions.Default, keys, cost, priority: null, Token);
    }

    private byte[] DumpUnbound(LuksDisk disk, int slot, string passphrase)
    {
        string file = _scratch[$"{Guid.NewGuid():N}.unbound"];
        Tools.Run("cryptsetup", "luksDump", "-q", "--unbound", "--key-slot", slot.ToString(), "--volume-key-file", file,
            "--key-file", _cryptsetup.KeyFile(passphrase), disk.Path);
        return File.ReadAllBytes(file);
    }
}
