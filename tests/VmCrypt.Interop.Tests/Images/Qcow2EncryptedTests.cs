using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Qcow2;
using VmCrypt.Core.Luks;

namespace VmCrypt.Interop.Tests.Images;

/// <summary>LUKS inside of qcow2, written in turns by QEMU and by us.</summary>
public sealed class Qcow2EncryptedTests : IDisposable
{
    private const string Passphrase = "correct horse";
    private const int DiskBytes = (3 * 1024 * 1024) + 512;

    private readonly Scratch _scratch = new();
    private readonly string[] _secret;

    public Qcow2EncryptedTests() =>
        _secret = ["--object", $"secret,id=key,file={_scratch.File("secret", Encoding.UTF8.GetBytes(Passphrase))}"];

    public void Dispose() => _scratch.Dispose();

    private string Path => _scratch["disk.qcow2"];

    private string Node => $"driver=qcow2,encrypt.key-secret=key,file.filename={Path}";

    [Theory]
    [InlineData("cluster_size=65536", 1)]
    [InlineData("compat=0.10,cluster_size=4096", 3)]
    [InlineData("extended_l2=on", 4)]
    [InlineData("cluster_size=2097152,encrypt.cipher-alg=aes-128,encrypt.cipher-mode=cbc,encrypt.ivgen-alg=essiv,encrypt.ivgen-hash-alg=sha256", 5)]
    public async Task Both_write_and_both_read(string options, int seed)
    {
        Tools.RunQemuImg(["create", "-q", .. _secret, "-f", "qcow2", "-o", $"encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10,{options}",
            Path, $"{DiskBytes}"]);
        var model = new DiskModel(new byte[DiskBytes], seed);
        for (int round = 0; round < 2; round++)
        {
            await ChangeAsync(model, resizes: round == 1);
            Judge(model);
            int offset = 64 * 1024 * (round + 3);
            Io($"write -P {round + 1} {offset} 100k", $"discard {offset + (512 * 1024)} 128k");
            model.Bytes.AsSpan(offset, 100 * 1024).Fill((byte)(round + 1));
            (await ReadAsync()).AsSpan(offset + (512 * 1024), 128 * 1024).CopyTo(model.Bytes.AsSpan(offset + (512 * 1024)));
            Judge(model);
        }
    }

    [Theory]
    [InlineData(3, 512, false, Preallocation.Off)]
    [InlineData(3, 65536, true, Preallocation.Off)]
    [InlineData(3, 65536, false, Preallocation.Metadata)]
    [InlineData(3, 65536, true, Preallocation.Metadata)]
    [InlineData(3, 4096, false, Preallocation.Full)]
    [InlineData(2, 2 * 1024 * 1024, false, Preallocation.Off)]
    public async Task Takes_what_we_make(int version, int clusterSize, bool extendedL2, Preallocation preallocation)
    {
        LuksFormatOptions luks = LuksFormatOptions.Default with { Placement = LuksPlacement.Embedded, Cost = KdfCost.OfIterations(KdfCost.MinIterations) };
        await using (var file = await FileDevice.CreateAsync(Path, new(), Qcow2Disk.Token))
        {
            await Qcow2Builder.CreateAsync(file, new Qcow2CreateOptions
            {
                Size = DiskBytes,
                Version = version,
                ClusterSize = clusterSize,
                ExtendedL2 = extendedL2,
                Preallocation = preallocation,
                EncryptionHeaderLength = luks.HeaderLength,
            }, Qcow2Disk.Token);
        }

        await using (Qcow2Image image = await Qcow2Image.OpenAsync(
            await FileDevice.OpenAsync(Path, new() { Writable = true }, Qcow2Disk.Token), new Qcow2OpenOptions { Writable = true }, Qcow2Disk.Token))
        {
            using SecretBuffer passphrase = SecretBuffer.CopyOf(Encoding.UTF8.GetBytes(Passphrase));
            (_, VolumeKey key) = await LuksHeader.FormatAsync(image.OpenEncryptionHeader()!, luks, passphrase, Qcow2Disk.Token);
            key.Dispose();
        }

        var model = new DiskModel(new byte[DiskBytes], clusterSize);
        Judge(model);
        Io("write -P 9 1M 100k");
        model.Bytes.AsSpan(1 << 20, 100 * 1024).Fill(9);
        await ChangeAsync(model, resizes: true);
        Judge(model);
    }

    [Fact]
    public async Task Snapshots_and_compressed_clusters_read_beside_encrypted_ones()
    {
        byte[] disk = SampleDisk.Make(DiskBytes, seed: 9);
        Tools.RunQemuImg(["create", "-q", .. _secret, "-f", "qcow2", "-o", "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10", Path, $"{DiskBytes}"]);
        // qemu-img stores compressed clusters in plain text here: what it wrote, we can read.
        Tools.Run("qemu-img", ["convert", "-q", .. _secret, "-c", "-n", "-f", "raw", _scratch.File("disk.raw", disk), "--target-image-opts", Node]);
        Tools.Run("qemu-img", ["snapshot", .. _secret, "--image-opts", "-c", "old", Node]);
        Io("write -P 7 0 1M");

        await using IBlockDevice image = await OpenAsync(writable: false);
        await using IBlockDevice snapshot = await ((Qcow2Image)image).OpenSnapshotAsync("old", Qcow2Disk.Token);

        byte[] before = await Qcow2Disk.ReadAllAsync(snapshot);
        byte[] now = await Qcow2Disk.ReadAllAsync(image);
        Assert.True(disk.AsSpan().SequenceEqual(before), "the snapshot differs");
        disk.AsSpan(0, 1 << 20).Fill(7);
        Assert.True(disk.AsSpan().SequenceEqual(now), "the disk differs");
    }

    [Fact]
    public async Task Without_the_key_tables_are_told_and_data_is_not()
    {
        Tools.RunQemuImg(["create", "-q", .. _secret, "-f", "qcow2", "-o", "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10", Path, $"{DiskBytes}"]);
        Io("write -P 1 0 64k");

        var file = new MemoryDevice(File.ReadAllBytes(Path));
        await using (Qcow2Image image = await Qcow2Image.OpenAsync(file, new Qcow2OpenOptions { Writable = true }, Qcow2Disk.Token))
        {
            Assert.Equal(Qcow2MappingKind.Data, (await image.MapAsync(0, image.Length, Qcow2Disk.Token).FirstAsync(Qcow2Disk.Token)).Kind);
            var error = await Assert.ThrowsAsync<WrongKeyException>(async () => await image.ReadAsync(0, new byte[512], Qcow2Disk.Token));
            Assert.Equal(ErrorIds.ImageLocked, error.ErrorId);
            await image.SetLengthAsync(2 * DiskBytes, Qcow2Disk.Token);
        }

        File.WriteAllBytes(Path, file.ToArray());
        Tools.Run("qemu-img", ["check", "-q", .. _secret, "--image-opts", Node]);
        Io("read -P 1 0 64k", $"read -P 0 {DiskBytes} {DiskBytes}");
    }

    private async Task ChangeAsync(DiskModel model, bool resizes)
    {
        await using (IBlockDevice disk = await OpenAsync(writable: true))
        {
            for (int step = 0; step < 40; step++)
            {
                await model.StepAsync(disk, alignment: 512, resizes);
            }

            await model.CompareAsync(disk);
            await disk.FlushAsync(Qcow2Disk.Token);
        }
    }

    private void Judge(DiskModel model)
    {
        Tools.Run("qemu-img", ["check", "-q", .. _secret, "--image-opts", Node]);
        string raw = _scratch["plain.raw"];
        Tools.Run("qemu-img", ["convert", .. _secret, "--image-opts", Node, "-O", "raw", raw]);
        Assert.True(model.Bytes.AsSpan().SequenceEqual(File.ReadAllBytes(raw)), $"qemu-img reads other bytes after: {string.Join("; ", model.Journal.TakeLast(12))}");
    }

    private async Task<byte[]> ReadAsync()
    {
        await using IBlockDevice disk = await OpenAsync(writable: false);
        return await Qcow2Disk.ReadAllAsync(disk);
    }

    private async Task<Qcow2Image> OpenAsync(bool writable)
    {
        var file = await FileDevice.OpenAsync(Path, new() { Writable = writable }, Qcow2Disk.Token);
        Qcow2Image image = await Qcow2Image.OpenAsync(file, new Qcow2OpenOptions { Writable = writable }, Qcow2Disk.Token);
        LuksHeader header = await LuksHeader.OpenAsync(image.OpenEncryptionHeader()!, LuksOpenOptions.Default with { Placement = LuksPlacement.Embedded }, Qcow2Disk.Token);
        using SecretBuffer passphrase = SecretBuffer.CopyOf(Encoding.UTF8.GetBytes(Passphrase));
        using VolumeKey key = (await header.UnlockAsync(passphrase, null, Qcow2Disk.Token)).Key;
        image.AttachCipher(key.CreateCipher());
        return image;
    }

    private void Io(params string[] commands)
    {
        string output = Tools.Run("qemu-io", [.. _secret, "--image-opts", Node, .. commands.SelectMany(command => new[] { "-c", command })]);
        Assert.DoesNotContain("failed", output, StringComparison.OrdinalIgnoreCase);
    }
}
