using VmCrypt.Core.Block;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Tests.Architecture;

namespace VmCrypt.Core.Tests.Luks;

/// <summary>Disks of the real tools, for machines that have none of them.</summary>
public sealed class LuksFixtureTests
{
    private const int HeaderSize = 592;
    private const int MaterialSize = 64000;

    [Theory]
    [InlineData("cryptsetup-2.6.1.bin", "aes-cbc-essiv:sha256", "sha1", 2048)]
    [InlineData("qemu-7.2.bin", "twofish-cbc-plain64", "ripemd160", 1032)]
    public async Task Opens_a_disk_of_a_real_tool(string file, string cipher, string hash, int payloadSector)
    {
        byte[] stored = File.ReadAllBytes(Path.Combine(Repository.Root, "tests", "VmCrypt.Core.Tests", "Luks", "Fixtures", file));
        byte[] disk = new byte[(payloadSector + 1) * 512];
        stored.AsSpan(0, HeaderSize).CopyTo(disk);
        stored.AsSpan(HeaderSize, MaterialSize).CopyTo(disk.AsSpan(4096));
        stored.AsSpan(HeaderSize + MaterialSize).CopyTo(disk.AsSpan(payloadSector * 512));

        LuksHeader header = await Sample.OpenAsync(new MemoryDevice(disk));

        Assert.Equal((cipher, hash, payloadSector * 512L), (header.Facts.Cipher, header.Facts.Hash, header.Payload.Offset));
        using VolumeKey key = (await header.UnlockAsync(Sample.Passphrase)).Key;
        using var plain = key.CreateCipher();
        byte[] sector = disk[(payloadSector * 512)..];
        plain.Decrypt(0, sector, sector);
        Assert.All(sector, value => Assert.Equal(0x51, value));
    }
}
