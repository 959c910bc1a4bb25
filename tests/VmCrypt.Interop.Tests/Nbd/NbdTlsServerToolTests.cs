using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;

namespace VmCrypt.Interop.Tests.Nbd;

/// <summary>Our server with TLS under libnbd's and QEMU's clients, which bring GnuTLS.</summary>
public sealed class NbdTlsServerToolTests : IAsyncLifetime
{
    private const int Size = 4 << 20;

    private readonly Scratch _scratch = new();
    private readonly List<string> _faults = [];
    private readonly MemoryDevice _disk = new(Size);
    private TestAuthority _authority = null!;
    private NbdServer _server = null!;
    private string _revoked = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _authority = new TestAuthority(_scratch.Folder);
        string folder = _authority.Server();
        _revoked = _authority.Client("CN=gone");
        _authority.Revoke(_revoked);
        _authority.WriteRevocations(folder);
        _server = await StartAsync(folder);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _authority.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    public void Nbdcopy_copies_in_both_directions()
    {
        byte[] content = Noise();
        string client = _authority.Client();

        Tools.Run("nbdcopy", _scratch.File("in", content), Libnbd(client));
        Tools.Run("nbdcopy", Libnbd(client), _scratch["out"]);

        Assert.Equal(content, _disk.ToArray());
        Assert.Equal(content, File.ReadAllBytes(_scratch["out"]));
        Assert.Contains("TLS", Tools.Run("nbdinfo", Libnbd(client)), StringComparison.Ordinal);
    }

    [Fact]
    public void Qemu_io_and_qemu_img_read_what_was_written()
    {
        string[] client = Qemu(_authority.Client());

        Tools.Run("qemu-io", [.. client[..2], "-c", "write -P 7 4096 3M", "-c", "write -z 1M 64k", "-c", "flush", "-c", "read -P 7 4096 8192", .. client[2..]]);
        Tools.Run("qemu-img", ["convert", .. client, "-O", "raw", _scratch["out"]]);

        Assert.Equal(_disk.ToArray(), File.ReadAllBytes(_scratch["out"]));
        Assert.Equal(7, _disk.ToArray()[4096]);
    }

    [Fact]
    public void Clients_without_a_good_certificate_are_turned_away()
    {
        using var other = new TestAuthority(_scratch["other"]);
        string forged = other.Client();
        File.Copy(Path.Combine(_authority.Nobody(), "ca-cert.pem"), Path.Combine(forged, "ca-cert.pem"), overwrite: true);
        (string Folder, string Id)[] rows = [(forged, ErrorIds.TlsCertificateUntrusted), (_revoked, ErrorIds.TlsCertificateRevoked), (_authority.Client(days: -1), ErrorIds.TlsCertificateExpired)];
        foreach ((string folder, string id) in rows)
        {
            _faults.Clear();
            Assert.NotEqual(0, Tools.TryRun("nbdinfo", "--size", Libnbd(folder)).ExitCode);
            Assert.True(SpinWait.SpinUntil(() => _server.Clients.Count == 0, TimeSpan.FromSeconds(20)));
            Assert.Equal(id, Assert.Single(_faults));
        }

        Assert.NotEqual(0, Tools.TryRun("nbdinfo", "--size", $"{_server.Uri with { Tls = null }}").ExitCode);
        Assert.Equal($"{Size}", Tools.Run("nbdinfo", "--size", Libnbd(_authority.Client())).Trim());
    }

    [Fact]
    public async Task Clients_do_not_believe_a_server_of_another_authority_or_host()
    {
        using var other = new TestAuthority(_scratch["other"]);
        foreach (string folder in (string[])[other.Server(), _authority.Server("example.org")])
        {
            await using NbdServer wrong = await StartAsync(folder);

            Assert.NotEqual(0, Tools.TryRun("nbdinfo", "--size", Libnbd(_authority.Client(), wrong)).ExitCode);
            Assert.NotEqual(0, Tools.TryRun("qemu-img", ["info", .. Qemu(_authority.Client(), wrong)]).ExitCode);
            Assert.Equal(0, wrong.Statistics.Requests);
        }
    }

    private string Libnbd(string certificates, NbdServer? server = null)
    {
        int port = ((NbdAddress.Tcp)(server ?? _server).Uri.Address).Port;
        return $"nbds://localhost:{port}/disk?tls-certificates={certificates}";
    }

    private string[] Qemu(string certificates, NbdServer? server = null)
    {
        int port = ((NbdAddress.Tcp)(server ?? _server).Uri.Address).Port;
        return
        [
            "--object", $"tls-creds-x509,id=tls,endpoint=client,dir={certificates}",
            "--image-opts", $"driver=nbd,server.type=inet,server.host=localhost,server.port={port},export=disk,tls-creds=tls",
        ];
    }

    private async Task<NbdServer> StartAsync(string folder)
    {
        var options = new NbdServerOptions
        {
            Listen = [new NbdAddress.Tcp("127.0.0.1", 0)],
            Tls = NbdTlsMode.Require,
            Credentials = TlsServerCredentials.FromFolder(folder),
            OnFault = (_, fault) => _faults.Add((fault as VmCryptException)?.ErrorId ?? $"{fault}"),
        };
        return await NbdServer.StartAsync(options, [new NbdExport("disk", _disk)], Token);
    }

    private static byte[] Noise()
    {
        byte[] bytes = new byte[Size];
        new Random(1).NextBytes(bytes);
        return bytes;
    }
}
