using VmCrypt.Core.Block;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Luks;

namespace VmCrypt.Interop.Tests.Luks;

/// <summary>Headers until nothing more goes in: we and cryptsetup stop at the same thing, and neither writes anything then.</summary>
public sealed class Luks2FullTests : IDisposable
{
    // Key material of 64 KiB a slot, so that 32 slots are 2 MiB.
    private static readonly LuksFormatOptions s_small = LuksDisk.QuickLuks2 with
    {
        Cipher = CipherSpec.Parse("aes-cbc-plain64"), KeySize = 16, KeyslotsSize = 32 * 65536,
    };

    private readonly Scratch _scratch = new();
    private readonly Cryptsetup _cryptsetup;

    public Luks2FullTests() => _cryptsetup = new Cryptsetup(_scratch);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_thirty_third_slot_is_refused_by_both()
    {
        LuksDisk disk = await FullAsync(32);

        Assert.True(_cryptsetup.Opens(disk, "slot 31", "--key-slot", "31"));
        await RefusedAsync(disk, ErrorIds.KeySlotsFull, () => disk.AddAsync(LuksDisk.Passphrase, "one too many"));
        Refused(disk, "luksAddKey", "-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", _cryptsetup.KeyFile(LuksDisk.Passphrase),
            disk.Path, _cryptsetup.KeyFile("one too many"));

        await disk.RemoveAsync("slot 17");
        _cryptsetup.AddKey(disk, LuksDisk.Passphrase, "again");
        Assert.Equal(17, await disk.SlotOfAsync("again"));
    }

    [Fact]
    public async Task The_metadata_is_full_for_both_at_the_same_byte()
    {
        LuksDisk disk = await FullAsync(20);
        long left = 12288 - (await Metadata(disk)).Length - Token0(0).Length;
        Assert.True(left > 100);

        // The text must end with a NUL, so the last byte of the area is not to be had.
        await Fit(left - 2, fits: true);
        await Fit(left - 1, fits: true);
        await Fit(left, fits: false);
        await Fit(left + 1, fits: false);

        async Task Fit(long fill, bool fits)
        {
            LuksDisk ours = Copy(disk);
            LuksDisk theirs = Copy(disk);
            string token = Token0(fill)["\"0\":".Length..];
            string[] import = ["token", "import", "--json-file", _cryptsetup.KeyFile(token), theirs.Path];
            if (fits)
            {
                await AddTokenAsync(ours, token);
                Tools.Run("cryptsetup", import);
                Assert.Equal(await Metadata(theirs), await Metadata(ours));
            }
            else
            {
                await RefusedAsync(ours, ErrorIds.LuksMetadataFull, () => AddTokenAsync(ours, token));
                Refused(theirs, import);
            }
        }
    }

    [Fact]
    public async Task A_slot_for_which_the_metadata_has_no_room_is_refused_by_both()
    {
        LuksDisk disk = await FullAsync(4);
        long left = 12288 - (await Metadata(disk)).Length - Token0(0).Length;
        await AddTokenAsync(disk, Token0(left - 200)["\"0\":".Length..]);

        await RefusedAsync(disk, ErrorIds.LuksMetadataFull, () => disk.AddAsync(LuksDisk.Passphrase, "one too many"));
        Refused(disk, "luksAddKey", "-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", _cryptsetup.KeyFile(LuksDisk.Passphrase),
            disk.Path, _cryptsetup.KeyFile("one too many"));
        Assert.Equal(0, await disk.SlotOfAsync(LuksDisk.Passphrase));
    }

    public void Dispose() => _scratch.Dispose();

    // With argon2id, whose metadata is the longest.
    private async Task<LuksDisk> FullAsync(int slots)
    {
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, s_small);
        var device = new MemoryDevice(File.ReadAllBytes(disk.Path));
        LuksHeader header = await LuksHeader.OpenAsync(device, LuksOpenOptions.Default, Token);
        using var passphrase = LuksDisk.Secret(LuksDisk.Passphrase);
        using VolumeKey key = (await header.UnlockAsync(passphrase, null, Token)).Key;
        for (int slot = 1; slot < slots; slot++)
        {
            using var added = LuksDisk.Secret($"slot {slot}");
            await header.AddSlotAsync(key, added, null, KdfCost.OfArgon2(KdfKind.Argon2id, 4, 32, 1), Token);
        }

        File.WriteAllBytes(disk.Path, device.ToArray());
        return disk;
    }

    private static string Token0(long fill) => $$"""
        "0":{"type":"x","keyslots":[],"fill":"{{new string('f', (int)fill)}}"}
        """;

    private static Task AddTokenAsync(LuksDisk disk, string token) =>
        disk.ChangeAsync(LuksDisk.Passphrase, async (header, _) => await header.AddTokenAsync(token, 0, Token));

    private LuksDisk Copy(LuksDisk disk) => new(_scratch.File($"{Guid.NewGuid():N}.luks", File.ReadAllBytes(disk.Path)));

    private static async Task<string> Metadata(LuksDisk disk)
    {
        byte[] bytes = await File.ReadAllBytesAsync(disk.Path, Token);
        return System.Text.Encoding.UTF8.GetString(bytes.AsSpan(4096, 12288)).TrimEnd('\0');
    }

    private static async Task RefusedAsync(LuksDisk disk, string errorId, Func<Task> change)
    {
        byte[] before = await File.ReadAllBytesAsync(disk.Path, Token);
        Assert.Equal(errorId, (await Assert.ThrowsAsync<RefusedException>(change)).ErrorId);
        Assert.Equal(before, await File.ReadAllBytesAsync(disk.Path, Token));
    }

    // cryptsetup writes the key material before it finds that the metadata has no room; both copies of that stay as they were.
    private static void Refused(LuksDisk disk, params string[] arguments)
    {
        byte[] before = File.ReadAllBytes(disk.Path)[..0x8000];
        Assert.NotEqual(0, Tools.TryRun("cryptsetup", arguments).ExitCode);
        Assert.Equal(before, File.ReadAllBytes(disk.Path)[..0x8000]);
    }
}
