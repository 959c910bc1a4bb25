using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhdx;

namespace VmCrypt.Interop.Tests.Images;

/// <summary>VHDX files go both ways between QEMU and us.</summary>
public sealed class VhdxTests : IDisposable
{
    private const int MiB = 1024 * 1024;
    private const int DiskBytes = (5 * MiB) + 512;
    private const int Rounds = 3;
    private const int StepsPerRound = 25;

    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string DiskPath => _scratch["disk.vhdx"];

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("subformat=dynamic,block_size=1M")]
    [InlineData("subformat=dynamic")]
    [InlineData("subformat=dynamic,block_size=2M,log_size=3M,block_state_zero=off")]
    [InlineData("subformat=fixed,block_size=1M")]
    [InlineData("subformat=fixed")]
    public async Task Reads_what_qemu_writes(string options)
    {
        byte[] disk = SampleDisk.Make(DiskBytes);
        Tools.Run("qemu-img", "convert", "-q", "-f", "raw", "-O", "vhdx", "-o", options, _scratch.File("disk.raw", disk), DiskPath);

        await using VhdxImage image = await OpenAsync(writable: false);

        Assert.Equal(options.Contains("fixed", StringComparison.Ordinal) ? VirtualDiskKind.Fixed : VirtualDiskKind.Dynamic, image.Facts.Kind);
        Assert.Equal(disk, await Qcow2Disk.ReadAllAsync(image));
    }

    [Theory]
    [InlineData("subformat=dynamic,block_size=1M", 1)]
    [InlineData("subformat=dynamic", 2)]
    [InlineData("subformat=fixed,block_size=1M", 3)]
    [InlineData("subformat=fixed", 4)]
    public async Task Keeps_what_qemu_made(string options, int seed)
    {
        byte[] disk = SampleDisk.Make(DiskBytes, seed);
        Tools.Run("qemu-img", "convert", "-q", "-f", "raw", "-O", "vhdx", "-o", options, _scratch.File("disk.raw", disk), DiskPath);

        await RunAsync(disk, seed, 512);
    }

    [Theory]
    [InlineData(1, 512, Preallocation.Off, 11)]
    [InlineData(8, 512, Preallocation.Off, 12)]
    [InlineData(1, 512, Preallocation.Metadata, 13)]
    [InlineData(2, 512, Preallocation.Full, 14)]
    public async Task Qemu_reads_what_we_write(int blockMiB, int sector, Preallocation preallocation, int seed)
    {
        await CreateAsync(new VhdxCreateOptions
        {
            Size = DiskBytes,
            BlockSize = blockMiB * MiB,
            LogicalSectorSize = sector,
            Preallocation = preallocation,
        });

        await RunAsync(new byte[DiskBytes], seed, sector);
    }

    [Fact]
    public async Task Both_write_to_one_file_in_turns()
    {
        await CreateAsync(new VhdxCreateOptions { Size = DiskBytes, BlockSize = MiB });
        byte[] model = new byte[DiskBytes];
        for (int turn = 0; turn < 4; turn++)
        {
            int at = turn * 700 * 1024;
            QemuImg.IO($"driver=vhdx,file.driver=file,file.filename={DiskPath}", [], $"write -P {turn + 1} {at} 300k");
            model.AsSpan(at, 300 * 1024).Fill((byte)(turn + 1));
            byte[] ours = [.. Enumerable.Repeat((byte)(0x80 + turn), 300 * 1024)];
            await using (VhdxImage image = await OpenAsync(writable: true))
            {
                await image.WriteAsync(at + (200 * 1024), ours, Token);
            }

            ours.CopyTo(model, at + (200 * 1024));
            Judge(model);
        }
    }

    [Fact]
    public async Task A_log_that_waits_is_replayed_alike()
    {
        byte[] disk = SampleDisk.Make(DiskBytes, seed: 3);
        await CreateAsync(new VhdxCreateOptions { Size = DiskBytes, BlockSize = MiB });
        byte[] before = File.ReadAllBytes(DiskPath);
        var file = new RecordingDevice(new MemoryDevice([.. before]));
        var model = new DurabilityModel(new byte[DiskBytes], file.Log, seed: 21);
        await using (VhdxImage image = await VhdxImage.OpenAsync(file, new VhdxOpenOptions { Writable = true, TableCacheBytes = 64 * 1024 }, Token))
        {
            await model.RunAsync(image, 25, Token);
        }

        var history = new DiskHistory(before, file.Effects);
        int judged = 0;
        for (int effects = 0; effects <= history.Count; effects += 3)
        {
            foreach (MemoryDevice crashed in new[] { history.After(effects), history.AfterPowerCut(effects, seed: 1) })
            {
                await using VhdxImage image = await VhdxImage.OpenAsync(crashed, new VhdxOpenOptions(), Token);
                await model.CheckAsync(image, effects, $"after {effects} effects", Token);
                if (image.Facts.IsLogPending)
                {
                    File.WriteAllBytes(DiskPath, crashed.ToArray());
                    Tools.Run("qemu-img", "check", "-q", "-r", "all", "-f", "vhdx", DiskPath);
                    Judge(await Qcow2Disk.ReadAllAsync(image));
                    judged++;
                }
            }
        }

        Assert.True(judged >= 5, $"only {judged} crashes left a log that waits");
    }

    [Fact]
    public async Task A_disk_of_64_TiB_takes_little()
    {
        const long Size = 64L << 40;
        await CreateAsync(new VhdxCreateOptions { Size = Size });
        byte[] data = [.. Enumerable.Repeat((byte)5, 8192)];
        await using (VhdxImage image = await OpenAsync(writable: true))
        {
            await image.WriteAsync(Size - 8192, data, Token);
            await image.WriteAsync(Size / 2, data, Token);
            Assert.Equal(2, await image.ExtentsAsync(0, Size, Token).Where(extent => extent.Kind == ExtentKind.Data).CountAsync(Token));
        }

        Assert.True(Storage.AllocatedBytes(DiskPath) < 4 * MiB);
        QemuImg.IO($"driver=vhdx,file.driver=file,file.filename={DiskPath}", [], $"read -P 5 {Size - 8192} 8k", $"read -P 5 {Size / 2} 8k", "read -P 0 1T 64k");
    }

    private async Task RunAsync(byte[] content, int seed, int alignment)
    {
        var model = new DiskModel(content, seed);
        for (int round = 0; round < Rounds; round++)
        {
            await using (VhdxImage image = await OpenAsync(writable: true))
            {
                for (int step = 0; step < StepsPerRound; step++)
                {
                    await model.StepAsync(image, alignment, resizes: true);
                }

                await model.CompareAsync(image);
            }

            Judge(model.Bytes);
        }
    }

    private void Judge(byte[] expected)
    {
        Tools.Run("qemu-img", "check", "-q", "-f", "vhdx", DiskPath);
        Assert.True(QemuImg.Read(_scratch, $"driver=vhdx,file.driver=file,file.filename={DiskPath}").AsSpan().SequenceEqual(expected), "qemu-img reads other bytes");
    }

    private async Task CreateAsync(VhdxCreateOptions options)
    {
        await using var file = await LocalDisk.OpenAsync(_scratch.File("disk.vhdx", []), new LocalDiskOptions { Writable = true }, Token);
        await VhdxBuilder.CreateAsync(file, options, Token);
    }

    private async ValueTask<VhdxImage> OpenAsync(bool writable) => await VhdxImage.OpenAsync(
        await LocalDisk.OpenAsync(DiskPath, new LocalDiskOptions { Writable = writable }, Token), new VhdxOpenOptions { Writable = writable }, Token);
}
