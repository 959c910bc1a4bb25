using System.Text;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;

namespace VmCrypt.Interop.Tests.Nbd;

/// <summary>TLS with shared keys against GnuTLS, in both directions.</summary>
public sealed class NbdPskToolTests : IDisposable
{
    private const int Size = 4 << 20;
    private const string Alice = "alice:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    private const string Wrong = "alice:ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";
    private const string Stranger = "mallory:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    private readonly Scratch _scratch = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Libnbd_and_QEMU_copy_to_and_from_our_server()
    {
        byte[] content = Noise();
        var disk = new MemoryDevice(Size);
        await using NbdServer server = await StartAsync(disk);
        string libnbd = Libnbd(server, Keys(Alice));

        Tools.Run("nbdcopy", _scratch.File("in", content), libnbd);
        Tools.Run("nbdcopy", libnbd, _scratch["out"]);
        Tools.Run("qemu-img", ["convert", .. Qemu(server, Keys(Alice)), "-O", "raw", _scratch["out2"]]);

        Assert.Equal(content, disk.ToArray());
        Assert.Equal(content, File.ReadAllBytes(_scratch["out"]));
        Assert.Equal(content, File.ReadAllBytes(_scratch["out2"]));
    }

    /// <summary>A QEMU that lacks what we like best agrees with us on something else, and never on less than an authenticated cipher of TLS 1.2. It adds the key exchanges itself.</summary>
    [Theory]
    [InlineData("NORMAL", true)]
    [InlineData("NORMAL:-CHACHA20-POLY1305", true)]
    [InlineData("NORMAL:-CHACHA20-POLY1305:-AES-256-GCM", true)]
    [InlineData("NORMAL:-CHACHA20-POLY1305:-AES-256-GCM:-AES-128-GCM", false)]
    [InlineData("NORMAL:-VERS-TLS-ALL:+VERS-TLS1.1", false)]
    public async Task Every_cipher_that_we_offer_is_the_real_one(string priority, bool agrees)
    {
        byte[] content = Noise();
        await using NbdServer server = await StartAsync(new MemoryDevice(content));
        string[] client = Qemu(server, Keys(Alice));
        client[1] += $",priority={priority}";

        Assert.Equal(agrees, Tools.TryRun("qemu-img", ["convert", .. client, "-O", "raw", _scratch["out"]]).ExitCode == 0);

        if (agrees)
        {
            Assert.Equal(content, File.ReadAllBytes(_scratch["out"]));
        }
    }

    [Fact]
    public async Task Our_server_takes_no_other_key_and_no_stranger()
    {
        await using NbdServer server = await StartAsync(new MemoryDevice(Size));

        Assert.NotEqual(0, Tools.TryRun("nbdinfo", "--size", Libnbd(server, Keys(Wrong))).ExitCode);
        Assert.NotEqual(0, Tools.TryRun("nbdinfo", "--size", Libnbd(server, Keys(Stranger), "mallory")).ExitCode);
        Assert.NotEqual(0, Tools.TryRun("nbdinfo", "--size", $"{server.Uri with { Tls = null }}").ExitCode);
        Assert.Equal($"{Size}", Tools.Run("nbdinfo", "--size", Libnbd(server, Keys(Alice))).Trim());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Our_client_reads_and_writes_on_real_servers_and_is_refused_by_name(bool qemu)
    {
        using NbdPeer peer = await PeerAsync(qemu);
        byte[] content = Noise();
        await using (NbdDevice device = await ConnectAsync(peer, Alice))
        {
            await device.WriteAsync(0, content, Token);
            byte[] read = new byte[Size];
            await device.ReadAsync(0, read, Token);
            Assert.Equal(content, read);
        }

        foreach ((string keys, string user) in ((string, string)[])[(Wrong, "alice"), (Stranger, "mallory")])
        {
            var refused = await Assert.ThrowsAnyAsync<VmCryptException>(() => ConnectAsync(peer, keys, user));
            Assert.Equal(ErrorIds.TlsHandshakeFailed, refused.ErrorId);
        }
    }

    private string Keys(string line)
    {
        string folder = Directory.CreateDirectory(_scratch[$"keys-{Guid.NewGuid():N}"]).FullName;
        File.WriteAllText(Path.Combine(folder, "keys.psk"), line + "\n", new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
        return folder;
    }

    private Task<NbdPeer> PeerAsync(bool qemu)
    {
        string disk = _scratch.File("disk", new byte[Size]);
        string keys = Keys(Alice);
        return qemu
            ? NbdPeer.QemuNbdAsync(_scratch, "--object", $"tls-creds-psk,id=tls,endpoint=server,dir={keys}", "--tls-creds=tls", "--format=raw", disk)
            : NbdPeer.NbdkitAsync(_scratch, "--tls=require", $"--tls-psk={keys}/keys.psk", "file", disk);
    }

    private Task<NbdDevice> ConnectAsync(NbdPeer peer, string keys, string user = "alice") => NbdDevice.ConnectAsync(
        peer.Uri with { Tls = new NbdTls { PskFile = Path.Combine(Keys(keys), "keys.psk"), UserName = user } }, NbdClientOptions.Default, Token);

    private async Task<NbdServer> StartAsync(MemoryDevice disk) => await NbdServer.StartAsync(
        new NbdServerOptions
        {
            Listen = [new NbdAddress.Tcp("127.0.0.1", 0)],
            Tls = NbdTlsMode.Require,
            Credentials = TlsServerCredentials.FromPskFile(Path.Combine(Keys(Alice), "keys.psk")),
        },
        [new NbdExport("disk", disk)],
        Token);

    private static string Libnbd(NbdServer server, string keys, string user = "alice") =>
        $"nbds://{user}@127.0.0.1:{((NbdAddress.Tcp)server.Uri.Address).Port}/disk?tls-psk-file={keys}/keys.psk";

    private static string[] Qemu(NbdServer server, string keys) =>
    [
        "--object", $"tls-creds-psk,id=tls,endpoint=client,username=alice,dir={keys}",
        "--image-opts", $"driver=nbd,server.type=inet,server.host=127.0.0.1,server.port={((NbdAddress.Tcp)server.Uri.Address).Port},export=disk,tls-creds=tls",
    ];

    private static byte[] Noise()
    {
        byte[] bytes = new byte[Size];
        new Random(1).NextBytes(bytes);
        return bytes;
    }
}
