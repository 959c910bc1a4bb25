using System.Security.Cryptography;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Luks;
using VmCrypt.Core.Machines;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Reencryption;
using VmCrypt.Core.Reencryption.Live;
using VmCrypt.Core.Stack;
using VmCrypt.Interop.Tests.Luks;

namespace VmCrypt.Interop.Tests.Reencryption;

/// <summary>QEMU's client at work on qcow2 images that are being converted; qemu-img reads and checks what comes of them.</summary>
public sealed class ServedQcow2ToolTests : IDisposable
{
    private const string Passphrase = "correct horse";
    private const int KiB = 1 << 10;
    private const int MiB = 1 << 20;

    private readonly Scratch _scratch = new();
    private readonly string _image;

    public ServedQcow2ToolTests()
    {
        Tools.Require("qemu-img");
        Tools.Require("qemu-io");
        _image = _scratch["disk.qcow2"];
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_a_client_writes_meanwhile_is_in_the_image_that_comes_of_it(bool snapshot)
    {
        QemuImg.Create(["-f", "qcow2", _image, "8M"]);
        QemuImg.IO(Options(encrypted: false), [], "write -P 0x11 0 300k", "write -P 0x22 1M 2M", "write -z 2M 128k", "write -P 0x44 7M 1M");
        byte[] then = QemuImg.Read(_scratch, Options(encrypted: false));
        if (snapshot)
        {
            Tools.Run("qemu-img", "snapshot", "-c", "then", _image);
        }

        byte[] plain = [.. then];
        foreach (ReencryptionMode mode in new[] { ReencryptionMode.Encrypt, ReencryptionMode.Reencrypt, ReencryptionMode.Decrypt })
        {
            await ConvertAsync(mode, plain);
            bool encrypted = mode != ReencryptionMode.Decrypt;
            Tools.Run("qemu-img", ["check", .. QemuImg.Secret(_scratch, Passphrase), "--image-opts", Options(encrypted)]);
            Assert.Equal(SHA256.HashData(plain), HashOf(encrypted, snapshot: null));
            if (snapshot)
            {
                Assert.Equal(SHA256.HashData(then), HashOf(encrypted, "then"));
            }
        }
    }

    private async Task ConvertAsync(ReencryptionMode mode, byte[] plain)
    {
        using SecretBuffer secret = LuksDisk.Secret(Passphrase);
        ReencryptionOptions options = new() { Location = DiskLocation.Parse(_image), Encryption = LuksDisk.Quick, ZoneLength = MiB };
        ServedConversion? served = await ServedConversion.StartAsync(
            token => mode switch
            {
                ReencryptionMode.Encrypt => LiveConversion.ProtectAsync(options, secret, token),
                ReencryptionMode.Reencrypt => LiveConversion.UpdateKeyAsync(options, secret, [secret], token),
                _ => LiveConversion.UnprotectAsync(options, secret, token),
            },
            new NbdServerOptions { Listen = [new NbdAddress.Unix(_scratch["socket"])] }, name: string.Empty, description: "qcow2", Token);
        Assert.NotNull(served);
        using (var pause = new ConversionPause(served.Conversion, MiB))
        {
            Use(served.Server.Uri, plain, value: 0x50 + (int)mode);
        }

        await served.Conversion.Completion;
        Use(served.Server.Uri, plain, value: 0x60 + (int)mode);
        await served.StopAsync();
    }

    /// <summary>Writes to what is done, to what is not, and to what the image does not have yet.</summary>
    private static void Use(NbdUri uri, byte[] plain, int value)
    {
        foreach (int at in new[] { 512, (3 * MiB) + (value % 16 * 100 * KiB), (7 * MiB) + (300 * KiB) })
        {
            Tools.Run("qemu-io", "-f", "raw", "-c", $"write -P {value} {at} 70144", "-c", $"write -z {at + 70144} 4096", "-c", $"read -P {value} {at} 70144", "-c", "flush", $"{uri}");
            plain.AsSpan(at, 70144).Fill((byte)value);
            plain.AsSpan(at + 70144, 4096).Clear();
        }
    }

    private byte[] HashOf(bool encrypted, string? snapshot)
    {
        string raw = _scratch[$"plain-{Guid.NewGuid():N}"];
        Tools.Run("qemu-img", ["convert", .. QemuImg.Secret(_scratch, Passphrase), .. snapshot is null ? Array.Empty<string>() : ["-l", snapshot],
            "--image-opts", Options(encrypted), "-O", "raw", raw]);
        return SHA256.HashData(File.ReadAllBytes(raw));
    }

    private string Options(bool encrypted) => $"driver=qcow2,{(encrypted ? "encrypt.key-secret=key," : string.Empty)}file.driver=file,file.filename={_image}";
}
