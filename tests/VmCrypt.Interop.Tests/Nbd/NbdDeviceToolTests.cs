using System.Diagnostics;
using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;

namespace VmCrypt.Interop.Tests.Nbd;

/// <summary>What only other people's servers do to our client.</summary>
public sealed class NbdDeviceToolTests : IDisposable
{
    private const int Size = 4 << 20;

    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Sees_the_holes_of_a_qcow2_image_as_QEMU_does()
    {
        string image = _scratch["disk.qcow2"];
        Tools.Run("qemu-img", "create", "-q", "-f", "qcow2", image, "8G");
        Tools.Run("qemu-io", "-f", "qcow2", "-c", "write -P 1 1M 192k", "-c", "write -z 64M 1M", "-c", "write -P 2 5G 64k", image);
        using NbdPeer peer = await NbdPeer.QemuNbdAsync(_scratch, "--format=qcow2", image);
        await using NbdDevice device = await peer.ConnectAsync();

        var extents = new List<(long Start, long End, bool Zero)>();
        await foreach (Extent extent in device.ExtentsAsync(0, device.Length, Token))
        {
            bool zero = extent.Kind != ExtentKind.Data;
            if (extents.Count > 0 && extents[^1].Zero == zero)
            {
                extents[^1] = (extents[^1].Start, extent.End, zero);
            }
            else
            {
                extents.Add((extent.Offset, extent.End, zero));
            }
        }

        Assert.Equal(
            [(0, 1L << 20, true), (1L << 20, (1L << 20) + 196608, false), ((1L << 20) + 196608, 5L << 30, true),
             (5L << 30, (5L << 30) + 65536, false), ((5L << 30) + 65536, 8L << 30, true)],
            extents);
    }

    [Fact]
    public async Task Reads_and_writes_the_disk_in_a_LUKS_image_that_qemu_nbd_unlocks()
    {
        string image = _scratch["disk.luks"];
        string[] secret = QemuImg.Secret(_scratch, "a passphrase");
        QemuImg.Create([.. secret, "-f", "luks", "-o", "key-secret=key,iter-time=10", image, "4M"]);
        string options = $"driver=luks,key-secret=key,file.driver=file,file.filename={image}";
        byte[] content = Noise(Size);
        using (NbdPeer peer = await NbdPeer.QemuNbdAsync(_scratch, [.. secret, "--image-opts", options]))
        {
            await using NbdDevice device = await peer.ConnectAsync();
            Assert.Equal(Size, device.Length);
            await device.WriteAsync(0, content, Token);
            await device.FlushAsync(Token);
            byte[] read = new byte[Size];
            await device.ReadAsync(0, read, Token);
            Assert.Equal(content, read);
        }

        Assert.Equal(content, QemuImg.Read(_scratch, options, secret));
    }

    [Fact]
    public async Task Lists_and_chooses_exports()
    {
        Directory.CreateDirectory(_scratch["exports"]);
        File.WriteAllBytes(Path.Combine(_scratch["exports"], "one"), new byte[4096]);
        File.WriteAllBytes(Path.Combine(_scratch["exports"], "two words"), new byte[8192]);
        using NbdPeer peer = await NbdPeer.NbdkitAsync(_scratch, "file", $"dir={_scratch["exports"]}");

        IReadOnlyList<NbdExportInfo> exports = await NbdDevice.ListAsync(peer.Uri, Token);

        Assert.Equal(["one", "two words"], exports.Select(export => export.Name).Order(StringComparer.Ordinal));
        await using NbdDevice device = await NbdDevice.ConnectAsync(new NbdUri(peer.Uri.Address, "two words"), NbdClientOptions.Default, Token);
        Assert.Equal(8192, device.Length);
        await FailsAsync(ErrorIds.NbdExportNotFound, NbdDevice.ConnectAsync(new NbdUri(peer.Uri.Address, "three"), NbdClientOptions.Default, Token));
    }

    [Fact]
    public async Task Tells_data_from_holes_inside_one_read()
    {
        // nbdkit's sparse-random answers with what it generates; qemu-nbd in front splits reads into data and hole chunks.
        using NbdPeer source = await NbdPeer.NbdkitAsync(_scratch, "sparse-random", "size=16M", "seed=1", "percent=30");
        using NbdPeer qemu = await NbdPeer.QemuNbdAsync(_scratch, "--format=raw", source.Uri.ToString());
        await using NbdDevice direct = await source.ConnectAsync();
        await using NbdDevice chunked = await qemu.ConnectAsync();
        byte[] expected = new byte[16 << 20];
        byte[] read = Noise(16 << 20);

        await direct.ReadAsync(0, expected, Token);
        await chunked.ReadAsync(0, read, Token);

        Assert.Equal(expected, read);
        await foreach (Extent extent in chunked.ExtentsAsync(0, chunked.Length, Token))
        {
            Assert.True(extent.Kind == ExtentKind.Data || !expected.AsSpan((int)extent.Offset, (int)extent.Length).ContainsAnyExcept((byte)0));
        }
    }

    [Theory]
    [InlineData("EIO", ErrorIds.DeviceIO)]
    [InlineData("ENOSPC", ErrorIds.DiskFull)]
    [InlineData("EPERM", ErrorIds.DeviceReadOnly)]
    public async Task A_disk_error_has_its_id_and_the_next_request_its_chance(string error, string errorId)
    {
        using NbdPeer peer = await NbdPeer.NbdkitAsync(
            _scratch, "--filter=error", "memory", "1M", $"error-pwrite={error}", "error-pwrite-rate=100%", $"error-file={_scratch["on"]}");
        await using NbdDevice device = await peer.ConnectAsync();

        File.WriteAllBytes(_scratch["on"], []);
        await FailsAsync(errorId, device.WriteAsync(0, new byte[4096], Token).AsTask());
        File.Delete(_scratch["on"]);
        await device.WriteAsync(0, new byte[4096], Token);
    }

    [Theory]
    [InlineData("disable", 1)]
    [InlineData("auto", 4)]
    public async Task Keeps_many_requests_under_way(string multiConn, int connections)
    {
        using NbdPeer peer = await NbdPeer.NbdkitAsync(
            _scratch, "--filter=multi-conn", "--filter=delay", "memory", "1M", "rdelay=500ms", $"multi-conn-mode={multiConn}");
        await using NbdDevice device = await peer.ConnectAsync();
        var watch = Stopwatch.StartNew();

        await Task.WhenAll(Enumerable.Range(0, 16 * connections).Select(i => device.ReadAsync(i * 4096, new byte[4096], Token).AsTask()));

        // One after the other they would take 8 s per connection; nbdkit works on 16 of each at a time.
        Assert.InRange(watch.ElapsedMilliseconds, 500, (8000 * connections) - 1);
    }

    [Theory]
    [InlineData("qemu-nbd")]
    [InlineData("nbdkit")]
    public async Task A_killed_server_is_a_lost_connection_and_never_a_wait(string server)
    {
        using NbdPeer peer = server == "nbdkit"
            ? await NbdPeer.NbdkitAsync(_scratch, "--filter=delay", "memory", "64M", "wdelay=20ms")
            : await NbdPeer.QemuNbdAsync(_scratch, "--format=raw", _scratch.File("disk", new byte[64 << 20]));
        await using NbdDevice device = await peer.ConnectAsync();

        Task[] writers = [.. Enumerable.Range(0, 8).Select(i => Task.Run(
            async () =>
            {
                byte[] buffer = Noise(256 * 1024, i);
                while (true)
                {
                    await device.WriteAsync(i * 4L << 20, buffer, Token);
                }
            }, Token))];
        await Task.Delay(200, Token);
        peer.Kill();

        foreach (Task writer in writers)
        {
            await FailsAsync(ErrorIds.NbdConnectionLost, writer);
        }

        await FailsAsync(ErrorIds.NbdConnectionLost, device.FlushAsync(Token).AsTask());
    }

    [Fact]
    public async Task Oldstyle_and_TLS_are_refused_by_name()
    {
        using NbdPeer old = await NbdPeer.NbdkitAsync(_scratch, "--oldstyle", "memory", "1M");
        await FailsAsync(ErrorIds.NbdGreetingInvalid, old.ConnectAsync());

        string keys = _scratch.File("keys.psk", Encoding.UTF8.GetBytes("alice:0123456789abcdef0123456789abcdef\n"));
        using NbdPeer tls = await NbdPeer.NbdkitAsync(_scratch, "--tls=require", $"--tls-psk={keys}", "memory", "1M");
        await FailsAsync(ErrorIds.NbdTlsRequired, tls.ConnectAsync());
        await FailsAsync(ErrorIds.NbdTlsRequired, NbdDevice.ListAsync(tls.Uri, Token));
    }

    private static async Task FailsAsync(string errorId, Task task)
    {
        var error = await Assert.ThrowsAnyAsync<VmCryptException>(() => task.WaitAsync(TimeSpan.FromSeconds(20), Token));
        Assert.Equal(errorId, error.ErrorId);
    }

    private static byte[] Noise(int count, int seed = 1)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
