using System.Text.Json;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Nbd;

namespace VmCrypt.Interop.Tests.Nbd;

/// <summary>Our server under libnbd's and QEMU's clients.</summary>
public sealed class NbdServerToolTests
{
    private const int Size = 8 << 20;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nbdinfo_sees_what_we_offer()
    {
        await using TestServer server = await TestServer.StartAsync(new MemoryDevice(Size));

        using var info = JsonDocument.Parse(Tools.Run("nbdinfo", "--json", $"{server.Uri}"));

        Assert.Equal("newstyle-fixed", info.RootElement.GetProperty("protocol").GetString());
        Assert.True(info.RootElement.GetProperty("structured").GetBoolean());
        JsonElement export = info.RootElement.GetProperty("exports")[0];
        Assert.Equal(Size, export.GetProperty("export-size").GetInt64());
        Assert.Equal("base:allocation", export.GetProperty("contexts")[0].GetString());
        Assert.Equal((1, 4096, 32 << 20), (
            export.GetProperty("block_size_minimum").GetInt32(), export.GetProperty("block_size_preferred").GetInt32(), export.GetProperty("block_size_maximum").GetInt32()));
        Assert.Equal(
            ["can_cache", "can_df", "can_fast_zero", "can_flush", "can_fua", "can_multi_conn", "can_trim", "can_zero"],
            export.EnumerateObject().Where(property => property.Value.ValueKind == JsonValueKind.True).Select(property => property.Name));
    }

    [Fact]
    public async Task Nbdinfo_lists_every_export_over_TCP()
    {
        var options = new NbdServerOptions { Listen = [new NbdAddress.Tcp("127.0.0.1", 0)] };
        await using NbdServer server = await NbdServer.StartAsync(
            options, [new NbdExport("a", new MemoryDevice(4096)) { Description = "the first" }, new NbdExport("b/ü", new MemoryDevice(8192)) { ReadOnly = true }], Token);

        using var info = JsonDocument.Parse(Tools.Run("nbdinfo", "--json", "--list", $"{server.Uri}"));
        JsonElement[] exports = [.. info.RootElement.GetProperty("exports").EnumerateArray()];

        Assert.Equal([("a", 4096, false), ("b/ü", 8192, true)], exports.Select(export => (
            export.GetProperty("export-name").GetString()!, export.GetProperty("export-size").GetInt32(), export.GetProperty("is_read_only").GetBoolean())));
        Assert.Equal("the first", exports[0].GetProperty("description").GetString());
        Assert.Equal("8192", Tools.Run("nbdinfo", "--size", $"{server.Uris[1]}").Trim());
    }

    [Theory]
    [InlineData("--connections=1", "--requests=1")]
    [InlineData("--connections=4", "--requests=64")]
    [InlineData("--synchronous", "--flush")]
    public async Task Nbdcopy_copies_in_both_directions(params string[] options)
    {
        using var scratch = new Scratch();
        byte[] content = Noise(Size);
        await using FileDevice disk = await FileDevice.OpenAsync(scratch.File("disk", content), LocalDiskOptions.ReadWrite, Token);
        await using TestServer server = await TestServer.StartAsync(disk);

        Tools.Run("nbdcopy", [.. options, $"{server.Uri}", scratch["out"]]);
        Assert.Equal(content, File.ReadAllBytes(scratch["out"]));

        byte[] other = Noise(Size, seed: 2);
        Tools.Run("nbdcopy", [.. options, scratch.File("in", other), $"{server.Uri}"]);
        Assert.Equal(other, File.ReadAllBytes(scratch["disk"]));
    }

    [Fact]
    public async Task Sparse_stays_sparse()
    {
        using var scratch = new Scratch();
        await using FileDevice disk = await FileDevice.CreateAsync(scratch["disk"], new FileCreateOptions { Length = 1L << 33 }, Token);
        await disk.WriteAsync(1 << 20, Noise(1 << 20), Token);
        await disk.WriteAsync((1L << 33) - 4096, Noise(4096), Token);
        await using TestServer server = await TestServer.StartAsync(disk);

        using var map = JsonDocument.Parse(Tools.Run("nbdinfo", "--map", "--json", $"{server.Uri}"));
        Assert.Equal(
            [(0, 1L << 20, 3), (1L << 20, 1L << 20, 0), (2L << 20, (1L << 33) - (2L << 20) - 4096, 3), ((1L << 33) - 4096, 4096, 0)],
            map.RootElement.EnumerateArray().Select(extent => (
                extent.GetProperty("offset").GetInt64(), extent.GetProperty("length").GetInt64(), extent.GetProperty("type").GetInt32())));

        Tools.Run("nbdcopy", $"{server.Uri}", scratch["copy"]);
        Tools.Run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", $"{server.Uri}", scratch["copy.qcow2"]);
        Tools.Run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", $"{server.Uri}", scratch["copy.qcow2"]);
        Assert.InRange(Storage.AllocatedBytes(scratch["copy"]), 1, 4 << 20);
        Assert.InRange(new FileInfo(scratch["copy.qcow2"]).Length, 1, 4 << 20);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Qemu_io_finds_every_command_done_as_meant(bool wholeBlocks)
    {
        using var scratch = new Scratch();
        await using var disk = new MemoryDevice(Size);
        await using TestServer server = await TestServer.StartAsync(disk);
        int odd = wholeBlocks ? 0 : 7;

        Tools.Run("qemu-io", "-f", "raw",
            "-c", $"write -P 1 {odd} 1M", "-c", $"write -f -P 2 {(1 << 20) + odd} 64k", "-c", $"aio_write -P 3 {2 << 20} 4M",
            "-c", $"aio_read -P 1 {odd} 1M", "-c", "aio_flush", "-c", $"write -z {(2 << 20) + 4096 + odd} 8192", "-c", $"write -z -u {3 << 20} 1M",
            "-c", $"write -z -n {5 << 20} 64k", "-c", $"discard {6 << 20} 64k", "-c", "flush", "-c", $"read -P 0 {3 << 20} 1M",
            "-c", $"read -P 3 {4 << 20} 1M", $"{server.Uri}");

        byte[] expected = new byte[Size];
        expected.AsSpan(odd, 1 << 20).Fill(1);
        expected.AsSpan((1 << 20) + odd, 65536).Fill(2);
        expected.AsSpan(2 << 20, 4 << 20).Fill(3);
        expected.AsSpan((2 << 20) + 4096 + odd, 8192).Clear();
        expected.AsSpan(3 << 20, 1 << 20).Clear();
        expected.AsSpan(5 << 20, 65536).Clear();
        Assert.Equal(expected, disk.ToArray());
    }

    [Fact]
    public async Task A_read_only_export_is_one_to_QEMU_too()
    {
        using var scratch = new Scratch();
        await using var disk = new MemoryDevice(Noise(Size), writable: false);
        await using TestServer server = await TestServer.StartAsync(disk);

        Assert.NotEqual(0, Tools.TryRun("qemu-io", "-f", "raw", "-c", "write 0 512", $"{server.Uri}").ExitCode);
        Assert.Contains("Images are identical", Tools.Run(
            "qemu-img", "compare", "-f", "raw", "-F", "raw", scratch.File("same", disk.ToArray()), $"{server.Uri}"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Qemu_img_bench_gets_all_its_requests_done()
    {
        await using TestServer server = await TestServer.StartAsync(new MemoryDevice(Size));

        Tools.Run("qemu-img", "bench", "-f", "raw", "-c", "2000", "-d", "16", "-s", "4096", "-S", "1052672", $"{server.Uri}");
        Tools.Run("qemu-img", "bench", "-f", "raw", "-w", "-c", "2000", "-d", "64", "-s", "65536", "--flush-interval=100", $"{server.Uri}");

        Assert.Equal(0, server.Server.Statistics.Errors);
        Assert.InRange(server.Server.Statistics.Requests, 4000 + 20, 4000 + 100);
    }

    [Fact]
    public async Task Many_clients_at_once_and_some_that_are_killed()
    {
        using var scratch = new Scratch();
        string expected = scratch.File("expected", Noise(Size));
        await using TestServer server = await TestServer.StartAsync(new MemoryDevice(File.ReadAllBytes(expected)));

        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() =>
        {
            if (i % 2 == 0)
            {
                Tools.Run("nbdcopy", $"{server.Uri}", scratch[$"out{i}"]);
                Tools.Run("qemu-img", "compare", "-f", "raw", "-F", "raw", expected, scratch[$"out{i}"]);
            }
            else
            {
                Tools.TryRun("timeout", "-s", "KILL", "0.1", "qemu-img", "bench", "-f", "raw", "-c", "1000000", "-d", "32", "-s", "65536", $"{server.Uri}");
            }
        }, Token)));

        for (int i = 0; i < 200 && server.Server.Clients.Count > 0; i++)
        {
            await Task.Delay(20, Token);
        }

        Assert.Empty(server.Server.Clients);
    }

    private static byte[] Noise(int count, int seed = 1)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
