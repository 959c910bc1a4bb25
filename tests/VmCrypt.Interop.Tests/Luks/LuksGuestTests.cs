using System.Security.Cryptography;
using VmCrypt.Core.Crypto;
using VmCrypt.Interop.Tests.Guest;

namespace VmCrypt.Interop.Tests.Luks;

/// <summary>A real kernel's dm-crypt on our disks: also the ciphers for which cryptsetup needs a kernel.</summary>
public sealed class LuksGuestTests
{
    private static readonly (string Cipher, int KeySize, HashKind Hash)[] s_disks =
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

    [Fact]
    public async Task The_kernel_reads_what_we_write_and_we_read_what_it_writes()
    {
        Tools.Require("cryptsetup");
        using var scratch = new Scratch();
        byte[] content = RandomNumberGenerator.GetBytes(LuksDisk.PayloadLength);
        List<LuksDisk> disks = [];
        foreach ((string cipher, int keySize, HashKind hash) in s_disks)
        {
            LuksDisk disk = await LuksDisk.FormatAsync(scratch, LuksDisk.Quick with
            {
                Cipher = CipherSpec.Parse(cipher),
                KeySize = keySize,
                Hash = hash,
                ForQemu = false,
            });
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
                    cryptsetup open --type luks1 --key-file /key /dev/vd$disk plain$disk || echo FAILED $disk
                    echo SUM $disk $(sha256sum /dev/mapper/plain$disk)
                    printf 'written by the guest' | dd of=/dev/mapper/plain$disk bs=512 seek=100 conv=sync
                    cryptsetup close plain$disk
                done
                sync
                echo ALL DONE
                """,
        });
        string log = await guest.WaitForAsync("ALL DONE", TimeSpan.FromMinutes(4));

        string sum = Convert.ToHexStringLower(SHA256.HashData(content));
        for (int i = 0; i < disks.Count; i++)
        {
            Assert.Contains($"SUM {(char)('a' + i)} {sum}", log, StringComparison.Ordinal);
            byte[] plain = await disks[i].ReadPayloadAsync();
            Assert.Equal("written by the guest"u8, plain.AsSpan(100 * 512, 20));
            Assert.Equal(content[..(100 * 512)], plain[..(100 * 512)]);
        }
    }
}
