using System.Text.Json;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Images;
using VmCrypt.Core.Images.Vhd;

namespace VmCrypt.Interop.Tests.Images;

/// <summary>VHD files go both ways between QEMU ("vpc") and us.</summary>
public sealed class VhdTests : IDisposable
{
    private const int MiB = 1024 * 1024;
    private const int DiskBytes = (5 * MiB) + 512;
    private const int Rounds = 3;
    private const int StepsPerRound = 25;

    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string DiskPath => _scratch["disk.vhd"];

    private string Options => $"driver=vpc,file.driver=file,file.filename={DiskPath}";

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("subformat=dynamic")]
    [InlineData("subformat=dynamic,force_size=on")]
    [InlineData("subformat=fixed")]
    [InlineData("subformat=fixed,force_size=on")]
    public async Task Keeps_what_qemu_made_and_sees_the_size_that_qemu_sees(string options)
    {
        byte[] disk = SampleDisk.Make(DiskBytes);
        Tools.Run("qemu-img", "convert", "-q", "-f", "raw", "-O", "vpc", "-o", options, _scratch.File("disk.raw", disk), DiskPath);
        long size = QemuSize();
        byte[] model = [.. disk, .. new byte[size - disk.Length]];
        Assert.Equal(options.Contains("force", StringComparison.Ordinal), size == DiskBytes);

        await RunAsync(model, seed: 5);
    }

    [Theory]
    [InlineData(2, Preallocation.Off, 11)]
    [InlineData(1, Preallocation.Off, 12)]
    [InlineData(2, Preallocation.Metadata, 13)]
    [InlineData(2, Preallocation.Full, 14)]
    public async Task Qemu_reads_what_we_write(int blockMiB, Preallocation preallocation, int seed)
    {
        await CreateAsync(new VhdCreateOptions { Size = DiskBytes, BlockSize = blockMiB * MiB, Preallocation = preallocation });

        await RunAsync(new byte[DiskBytes], seed);
    }

    [Fact]
    public async Task Both_write_to_one_file_in_turns()
    {
        await CreateAsync(new VhdCreateOptions { Size = DiskBytes });
        byte[] model = new byte[DiskBytes];
        for (int turn = 0; turn < 4; turn++)
        {
            int at = turn * 700 * 1024;
            QemuImg.IO(Options, [], $"write -P {turn + 1} {at} 300k");
            model.AsSpan(at, 300 * 1024).Fill((byte)(turn + 1));
            byte[] ours = [.. Enumerable.Repeat((byte)(0x80 + turn), 300 * 1024)];
            await using (IVirtualDisk image = await OpenAsync(writable: true))
            {
                await image.WriteAsync(at + (200 * 1024), ours, Token);
            }

            ours.CopyTo(model, at + (200 * 1024));
            Judge(model);
        }
    }

    [Theory]
    [InlineData(1L << 20)]
    [InlineData((7L << 30) + 512)]
    [InlineData(200L << 30)]
    [InlineData(2040L << 30)]
    public async Task Qemu_sees_every_size_as_it_is(long size)
    {
        await CreateAsync(new VhdCreateOptions { Size = size });

        Assert.Equal(size, QemuSize());
        await using (IVirtualDisk image = await OpenAsync(writable: true))
        {
            await image.WriteAsync(size - 512, Enumerable.Repeat((byte)7, 512).ToArray(), Token);
        }

        QemuImg.IO(Options, [], $"read -P 7 {size - 512} 512", $"read -P 0 {size - 1024} 512");
    }

    private async Task RunAsync(byte[] content, int seed)
    {
        var model = new DiskModel(content, seed);
        for (int round = 0; round < Rounds; round++)
        {
            await using (IVirtualDisk image = await OpenAsync(writable: true))
            {
                Assert.Equal(model.Bytes.Length, image.Length);
                for (int step = 0; step < StepsPerRound; step++)
                {
                    await model.StepAsync(image, 512, resizes: true);
                }

                await model.CompareAsync(image);
            }

            Judge(model.Bytes);
        }
    }

    private void Judge(byte[] expected) =>
        Assert.True(QemuImg.Read(_scratch, Options).AsSpan().SequenceEqual(expected), "qemu-img reads other bytes");

    private long QemuSize()
    {
        using JsonDocument info = JsonDocument.Parse(Tools.Run("qemu-img", "info", "--output=json", "-f", "vpc", DiskPath));
        return info.RootElement.GetProperty("virtual-size").GetInt64();
    }

    private async Task CreateAsync(VhdCreateOptions options)
    {
        await using var file = await LocalDisk.OpenAsync(_scratch.File("disk.vhd", []), new LocalDiskOptions { Writable = true }, Token);
        await VhdBuilder.CreateAsync(file, options, Token);
    }

    private async ValueTask<IVirtualDisk> OpenAsync(bool writable) => await VhdImage.OpenAsync(
        await LocalDisk.OpenAsync(DiskPath, new LocalDiskOptions { Writable = writable }, Token), new VhdOpenOptions { Writable = writable }, Token);
}
