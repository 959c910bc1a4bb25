using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Buffers;
using VmCrypt.Core.Stack;

namespace VmCrypt.Interop.Tests.Nbd;

/// <summary>The main use of the server: an encrypted disk of QEMU's making, unlocked by us, in the hands of QEMU's and libnbd's clients.</summary>
public sealed class NbdOfEncryptedDiskTests : IDisposable
{
    private const string Passphrase = "a passphrase";

    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("luks", "key-secret=key,iter-time=10", "driver=luks,key-secret=key,file.driver=file,file.filename=")]
    [InlineData("qcow2", "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10", "driver=qcow2,encrypt.key-secret=key,file.driver=file,file.filename=")]
    public async Task What_clients_write_through_us_is_in_the_image(string format, string create, string open)
    {
        string[] secret = QemuImg.Secret(_scratch, Passphrase);
        string image = _scratch["disk"];
        QemuImg.Create([.. secret, "-f", format, "-o", create, image, "16M"]);
        byte[] content = new byte[16 << 20];
        new Random(1).NextBytes(content.AsSpan(1 << 20, 7 << 20));
        content.AsSpan(12 << 20, 65536).Fill(9);

        await using (DiskStack disk = await DiskStack.OpenAsync(DiskLocation.Parse(image), new DiskOpenOptions { Writable = true }, Token))
        {
            using var keys = new DiskKeys(SecretBuffer.CopyOf(Encoding.UTF8.GetBytes(Passphrase)));
            IBlockDevice plain = await disk.UnlockAsync(keys, Token);
            await using TestServer server = await TestServer.StartAsync(plain);

            Tools.Run("nbdcopy", _scratch.File("content", content), $"{server.Uri}");
            Tools.Run("qemu-io", "-f", "raw", "-c", "write -P 9 12M 64k", "-c", "write -z 3M 100k", "-c", "discard 4M 1M", "-c", "flush", $"{server.Uri}");
            content.AsSpan(3 << 20, 100 << 10).Clear();
            Tools.Run("nbdcopy", $"{server.Uri}", _scratch["out"]);
        }

        byte[] read = File.ReadAllBytes(_scratch["out"]);
        read.AsSpan(4 << 20, 1 << 20).CopyTo(content.AsSpan(4 << 20));
        Assert.Equal(content, read);
        Assert.Equal(content, QemuImg.Read(_scratch, open + image, secret));
    }
}
