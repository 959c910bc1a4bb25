using System.Security.Cryptography;
using VmCrypt.Core.Crypto;
using VmCrypt.Core.Luks;
using VmCrypt.Interop.Tests.Guest;

namespace VmCrypt.Interop.Tests.Luks;

/// <summary>A real kernel's dm-crypt on our disks: also the ciphers for which cryptsetup needs a kernel.</summary>
public sealed class LuksGuestTests
{
    private static readonly (string Cipher, int KeySize, HashKind Hash)[] s_luks1 =
    [
        ("aes-xts-plain64", 64, HashKind.Sha256),
        ("aes-xts-plain64", 48, HashKind.Sha512),
        ("aes-cbc-essiv:sha256", 24, HashKind.Sha256),
        ("twofish-xts-plain64", 64, HashKind.Sha256),
        ("twofish-cbc-plain64", 24, HashKind.Sha1),
        ("serpent-cbc-essiv:sha256", 32, HashKind.Ripemd160),
        ("serpent-xts-plain", 32, HashKind.Sha384),
        ("cast5-cbc-plain64", 16, HashKind.Sha224),
    ];

    // IVs count in units of 512 bytes whatever the sectors are, which only the kernel can confirm.
    private static readonly (string Cipher, int KeySize, int SectorSize, KdfCost Cost)[] s_luks2 =
    [
        ("aes-xts-plain64", 64, 512, KdfCost.OfIterations(1000)),
        ("aes-xts-plain64", 64, 1024, KdfCost.OfArgon2(KdfKind.Argon2id, 4, 1024, 2)),
        ("aes-xts-plain64", 32, 2048, KdfCost.OfArgon2(KdfKind.Argon2i, 4, 1024, 1)),
        ("aes-xts-plain64", 64, 4096, KdfCost.OfArgon2(KdfKind.Argon2id, 4, 32768, 4)),
        ("aes-cbc-essiv:sha256", 32, 4096, KdfCost.OfIterations(1000)),
        ("aes-xts-plain", 64, 4096, KdfCost.OfIterations(1000)),
        ("serpent-xts-plain64", 64, 4096, KdfCost.OfIterations(1000)),
        ("twofish-cbc-plain64", 24, 2048, KdfCost.OfIterations(1000)),
    ];

    [Fact]
    public Task The_kernel_reads_LUKS1_that_we_write_and_we_read_what_it_writes() => GoRoundAsync(
        "luks1",
        s_luks1.Select(disk => LuksDisk.Quick with
        {
            Cipher = CipherSpec.Parse(disk.Cipher),
            KeySize = disk.KeySize,
            Hash = disk.Hash,
            ForQemu = false,
        }));

    [Fact]
    public Task The_kernel_reads_LUKS2_that_we_write_and_we_read_what_it_writes() => GoRoundAsync(
        "luks2",
        s_luks2.Select(disk => LuksDisk.QuickLuks2 with
        {
            Cipher = CipherSpec.Parse(disk.Cipher),
            KeySize = disk.KeySize,
            SectorSize = disk.SectorSize,
            Cost = disk.Cost,
        }));

    private static async Task GoRoundAsync(string type, IEnumerable<LuksFormatOptions> kinds)
    {
        Tools.Require("cryptsetup");
        using var scratch = new Scratch();
        byte[] content = RandomNumberGenerator.GetBytes(LuksDisk.PayloadLength);
        List<LuksDisk> disks = [];
        foreach (LuksFormatOptions kind in kinds)
        {
            LuksDisk disk = await LuksDisk.FormatAsync(scratch, kind);
            await disk.WritePayloadAsync(content);
            disks.Add(disk);
        }

        using GuestVm guest = GuestVm.Boot(scratch, new GuestOptions
        {
            Modules =
            [
                "virtio_pci", "virtio_blk", "dm_crypt", "xts", "ecb", "essiv", "algif_skcipher",
                "aes_generic", "twofish_generic", "serpent_generic", "cast5_generic",
            ],
            Programs = ["cryptsetup"],
            Arguments = [.. disks.SelectMany(disk => new[] { "-drive", $"file={disk.Path},format=raw,if=virtio" })],
            Script = $"""
                export DM_DISABLE_UDEV=1
                printf '%s' '{LuksDisk.Passphrase}' > /key
                for disk in a b c d e f g h; do
                    cryptsetup open --type {type} --key-file /key /dev/vd$disk plain$disk || echo FAILED $disk
                    echo SUM $disk $(sha256sum /dev/mapper/plain$disk)
                    printf 'written by the guest' | dd of=/dev/mapper/plain$disk bs=4096 seek=10 conv=sync
                    cryptsetup close plain$disk
                done
                sync
                echo ALL DONE
                """,
        });
        string log = await guest.WaitForAsync("ALL DONE");

        string sum = Convert.ToHexStringLower(SHA256.HashData(content));
        for (int i = 0; i < disks.Count; i++)
        {
            Assert.Contains($"SUM {(char)('a' + i)} {sum}", log, StringComparison.Ordinal);
            byte[] plain = await disks[i].ReadPayloadAsync();
            Assert.Equal("written by the guest"u8, plain.AsSpan(10 * 4096, 20));
            Assert.Equal(content[..(10 * 4096)], plain[..(10 * 4096)]);
        }
    }
}
