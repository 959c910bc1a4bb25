using VmCrypt.Core.Luks;

namespace VmCrypt.Interop.Tests.Luks;

/// <summary>Each sector size with each size of the header, and with these each key derivation, attached and detached: both ways.</summary>
public sealed class Luks2MatrixTests : IDisposable
{
    private static readonly string[] s_kdfs = ["pbkdf2", "argon2i", "argon2id"];

    private readonly Scratch _scratch = new();
    private readonly Cryptsetup _cryptsetup;

    public Luks2MatrixTests() => _cryptsetup = new Cryptsetup(_scratch);

    /// <summary>36 disks, in which every two values of two properties meet.</summary>
    public static TheoryData<int, int, string, bool> Disks
    {
        get
        {
            var disks = new TheoryData<int, int, string, bool>();
            for (int size = 0; size < 9; size++)
            {
                for (int sector = 0; sector < 4; sector++)
                {
                    disks.Add(0x4000 << size, 512 << sector, s_kdfs[(size + sector) % 3], (sector + (size / 2)) % 2 == 1);
                }
            }

            return disks;
        }
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Disks))]
    public async Task What_they_make_we_open_and_change(int headerSize, int sectorSize, string kdf, bool detached)
    {
        LuksPlacement placement = detached ? LuksPlacement.Detached : LuksPlacement.Attached;
        LuksDisk disk = _cryptsetup.FormatLuks2(detached,
        [
            .. CostOf(kdf), "--luks2-metadata-size", headerSize.ToString(), "--luks2-keyslots-size", "1m", "--sector-size", sectorSize.ToString(),
        ]);

        LuksHeader header = await disk.OpenAsync(placement);
        Assert.Equal((sectorSize, kdf), (header.Payload.SectorSize, header.Slots[0].Kdf));
        Assert.Equal(_cryptsetup.VolumeKey(disk), await disk.VolumeKeyAsync(LuksDisk.Passphrase, placement));
        await disk.ChangeAsync(LuksDisk.Passphrase, async (opened, unlocked) =>
        {
            using var added = LuksDisk.Secret("added");
            return await opened.AddSlotAsync(unlocked.Key, added, 2, OurCost(kdf), Token);
        }, placement);
        Assert.True(_cryptsetup.Opens(disk, "added", "--key-slot", "2"));
        Assert.True(_cryptsetup.Opens(disk, LuksDisk.Passphrase));
    }

    [Theory]
    [MemberData(nameof(Disks))]
    public async Task What_we_make_they_open_and_change(int headerSize, int sectorSize, string kdf, bool detached)
    {
        LuksPlacement placement = detached ? LuksPlacement.Detached : LuksPlacement.Attached;
        LuksDisk disk = await LuksDisk.FormatAsync(_scratch, LuksDisk.QuickLuks2 with
        {
            MetadataSize = headerSize, SectorSize = sectorSize, Placement = placement, Cost = OurCost(kdf),
        });

        Assert.Equal(await disk.VolumeKeyAsync(LuksDisk.Passphrase, placement), _cryptsetup.VolumeKey(disk));
        Assert.Equal(sectorSize, _cryptsetup.Json(disk)["segments"]!["0"]!["sector_size"]!.GetValue<int>());
        _cryptsetup.AddKey(disk, LuksDisk.Passphrase, "added");
        Assert.Equal(1, await disk.SlotOfAsync("added", placement));
    }

    public void Dispose() => _scratch.Dispose();

    private static string[] CostOf(string kdf) => kdf == "pbkdf2" ? ["--pbkdf", kdf, "--pbkdf-force-iterations", "1000"] : Cryptsetup.QuickArgon2(kdf)[1..];

    private static KdfCost OurCost(string kdf) => kdf switch
    {
        "argon2i" => KdfCost.OfArgon2(KdfKind.Argon2i, 4, 32, 1),
        "argon2id" => KdfCost.OfArgon2(KdfKind.Argon2id, 4, 32, 1),
        _ => LuksDisk.Quick.Cost,
    };
}
