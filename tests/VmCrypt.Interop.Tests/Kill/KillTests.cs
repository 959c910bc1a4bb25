using System.Diagnostics;
using System.Text.Json;
using VmCrypt.Core.Block.Nbd;

namespace VmCrypt.Interop.Tests.Kill;

/// <summary>kill -9 at random moments: what worked before still works, what was promised is there, and nothing is half done.</summary>
public sealed class KillTests : IDisposable
{
    private const int Rounds = 6;
    private const int ChangeRounds = 4;
    private const int DiskSize = 48 * 1024 * 1024;

    private readonly Scratch _scratch = new();
    private readonly Random _random = new(20);
    private readonly string _old;
    private readonly string _new;

    public KillTests()
    {
        Tools.Require("qemu-img");
        _old = _scratch.File("old.passphrase", "old one"u8);
        _new = _scratch.File("new.passphrase", "new one"u8);
    }

    [Theory]
    [InlineData("Qcow2")]
    [InlineData("Raw")]
    public void A_conversion_leaves_the_whole_copy_or_none(string format)
    {
        byte[] content = Content();
        string source = _scratch.File("source.raw", content);
        string target = _scratch["target"];
        string[] command = ["Convert-Image", source, target, "-Format", "Raw", "-DestinationFormat", format, "-NewPassphrase", $"file:{_old}", "-Iterations", "1000"];
        TimeSpan whole = Measure(command);

        for (int round = 0; round < Rounds; round++)
        {
            File.Delete(target);
            Vmcrypt.Kill(whole * (0.3 + (0.7 * _random.NextDouble())), command);
            if (File.Exists(target))
            {
                Assert.Equal(content, QemuImg.Read(_scratch, Options(format, target), Secret(_old)));
            }
        }

        Assert.Equal(content, File.ReadAllBytes(source));
    }

    [Theory]
    [InlineData("Qcow2", "Luks1")]
    [InlineData("Raw", "Luks1")]
    [InlineData("Raw", "Luks2")]
    public void A_change_of_passphrase_leaves_one_that_works_and_may_be_repeated(string format, string version)
    {
        string image = _scratch["disk"];
        string backup = _scratch.File("backup.key", "a key that nobody changes"u8);
        Vmcrypt.Run("New-EncryptedImage", image, "4MB", "-Format", format, "-LuksVersion", version, "-Passphrase", $"file:{_old}", "-Iterations", "1000");
        Vmcrypt.Run("Add-KeySlot", image, "-Passphrase", $"file:{_old}", "-NewKeyFile", backup, "-Iterations", "1000");
        (string current, string next) = (_old, _new);
        TimeSpan whole = Measure(Change(image, current, next));

        for (int round = 0; round < ChangeRounds; round++)
        {
            (current, next) = (next, current);
            Vmcrypt.Kill(whole * (0.3 + (0.7 * _random.NextDouble())), Change(image, current, next));

            Assert.True(
                Opens(image, "-Passphrase", $"file:{current}") || Opens(image, "-Passphrase", $"file:{next}"),
                "neither passphrase opens the disk any more");
            Assert.True(Opens(image, "-KeyFile", backup), "a slot that nobody touched is gone");
            Vmcrypt.Run(Change(image, current, next));
            Assert.False(Opens(image, "-Passphrase", $"file:{current}"), "the old passphrase outlives the second call");
            Assert.True(Opens(image, "-Passphrase", $"file:{next}"), "the new passphrase does not open the disk");
        }
    }

    [Fact]
    public async Task A_served_disk_keeps_what_was_flushed_and_stays_sound()
    {
        string image = _scratch["disk.qcow2"];
        Vmcrypt.Run("New-EncryptedImage", image, DiskSize.ToString(), "-Passphrase", $"file:{_old}", "-Iterations", "1000", "-ClusterSize", "4096");
        var flushed = new Dictionary<long, byte>();

        for (int round = 0; round < Rounds; round++)
        {
            using Process server = Vmcrypt.Start("Unlock-Image", image, "-Passphrase", $"file:{_old}", "-Socket", _scratch["nbd"], "-Json");
            JsonElement export = JsonDocument.Parse((await server.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken))!).RootElement;
            await WriteUntilKilledAsync(export.GetProperty("Uri").GetString()!, server, flushed, TimeSpan.FromMilliseconds(_random.Next(50, 600)));

            (int exitCode, string output, string error) = Tools.TryRun("qemu-img", ["check", .. Secret(_old), "--image-opts", Options("Qcow2", image)]);
            Assert.True(exitCode is 0 or 3, $"qemu-img check found corruption: {output} {error}");
            byte[] content = QemuImg.Read(_scratch, Options("Qcow2", image), Secret(_old));
            Assert.All(flushed, block => Assert.Equal(block.Value, content[block.Key]));
        }

        Assert.NotEmpty(flushed);
    }

    public void Dispose() => _scratch.Dispose();

    private async Task WriteUntilKilledAsync(string uri, Process server, Dictionary<long, byte> flushed, TimeSpan delay)
    {
        await using NbdDevice disk = await NbdDevice.ConnectAsync(NbdUri.Parse(uri), NbdClientOptions.Default, TestContext.Current.CancellationToken);
        // However busy the machine, something was flushed.
        await WriteAndFlushAsync(disk, flushed);
        Task killer = Task.Run(async () =>
        {
            await Task.Delay(delay);
            server.Kill();
        });
        try
        {
            while (true)
            {
                await WriteAndFlushAsync(disk, flushed);
            }
        }
        catch (Core.Errors.DeviceFaultException)
        {
            // The server is gone, as planned.
        }

        await killer;
        await server.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    private async Task WriteAndFlushAsync(NbdDevice disk, Dictionary<long, byte> flushed)
    {
        var written = new Dictionary<long, byte>();
        for (int i = 0; i < 8; i++)
        {
            long offset = _random.NextInt64(DiskSize / 512) * 512;
            byte value = (byte)_random.Next(1, 256);
            // Until the flush is over, the old content may be there or the new one, so that nothing is promised of either.
            flushed.Remove(offset);
            await disk.WriteAsync(offset, Enumerable.Repeat(value, 512).ToArray(), TestContext.Current.CancellationToken);
            written[offset] = value;
        }

        await disk.FlushAsync(TestContext.Current.CancellationToken);
        foreach ((long offset, byte value) in written)
        {
            flushed[offset] = value;
        }
    }

    private static string[] Change(string image, string current, string next) =>
        ["Set-KeySlot", image, "-Passphrase", $"file:{current}", "-NewPassphrase", $"file:{next}", "-Iterations", "1000"];

    private static TimeSpan Measure(params string[] command)
    {
        var clock = Stopwatch.StartNew();
        Vmcrypt.Run(command);
        return clock.Elapsed;
    }

    private static bool Opens(string image, params string[] key)
    {
        (int exitCode, string error) = Vmcrypt.TryRun(["Test-KeySlot", image, .. key]);
        Assert.True(exitCode is 0 or 1, error);
        return exitCode == 0;
    }

    private static string[] Secret(string file) => ["--object", $"secret,id=key,file={file}"];

    private static string Options(string format, string path) => format == "Qcow2"
        ? $"driver=qcow2,encrypt.key-secret=key,file.driver=file,file.filename={path}"
        : $"driver=luks,key-secret=key,file.driver=file,file.filename={path}";

    private byte[] Content()
    {
        byte[] content = new byte[DiskSize];
        _random.NextBytes(content);
        return content;
    }
}
