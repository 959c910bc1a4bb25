using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Nbd;

/// <summary>Our client on our server through TLS.</summary>
public sealed class NbdTlsTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly TestAuthority _authority;
    private readonly List<Exception> _faults = [];

    public NbdTlsTests() => _authority = new TestAuthority(_scratch.Folder);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _authority.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    public async Task Bytes_come_through_whole_and_the_client_is_known_by_its_subject()
    {
        var disk = new MemoryDevice(3 << 20);
        await using TestServer server = await StartAsync(_authority.Server(), disk: disk);
        await using NbdDevice client = await ConnectAsync(server, _authority.Client("CN=web01,O=Example"));
        byte[] content = new byte[(2 << 20) + 777];
        new Random(1).NextBytes(content);

        await client.WriteAsync(1, content, Token);
        byte[] read = new byte[content.Length];
        await client.ReadAsync(1, read, Token);

        Assert.Equal(content, read);
        Assert.Equal(content, disk.ToArray().AsSpan(1, content.Length));
        Assert.All(server.Server.Clients, info => Assert.Equal("O=Example,CN=web01", info.Identity));
        Assert.StartsWith("nbds+unix://", $"{server.Uri}", StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lists_exports_through_TLS_too()
    {
        await using TestServer server = await StartAsync(_authority.Server());

        Assert.Equal([new NbdExportInfo("disk", string.Empty)], await NbdDevice.ListAsync(With(server, _authority.Client()), Token));
    }

    [Fact]
    public async Task A_client_in_clear_gets_nothing()
    {
        await using TestServer server = await StartAsync(_authority.Server());

        await FailsAsync(ErrorIds.NbdTlsRequired, NbdDevice.ConnectAsync(server.Uri with { Tls = null }, NbdClientOptions.Default, Token));
        await FailsAsync(ErrorIds.NbdTlsRequired, NbdDevice.ListAsync(server.Uri with { Tls = null }, Token));
    }

    [Theory]
    [InlineData(NbdTlsMode.On, true)]
    [InlineData(NbdTlsMode.On, false)]
    [InlineData(NbdTlsMode.Off, false)]
    public async Task Optional_TLS_is_as_the_client_likes(NbdTlsMode mode, bool wanted)
    {
        await using TestServer server = await StartAsync(_authority.Server(), mode);
        NbdUri uri = wanted ? With(server, _authority.Client()) : server.Uri;

        await using NbdDevice client = await NbdDevice.ConnectAsync(uri, NbdClientOptions.Default, Token);

        Assert.All(server.Server.Clients, info => Assert.Equal(wanted ? "CN=client" : null, info.Identity));
    }

    [Fact]
    public async Task A_client_that_wants_TLS_takes_nothing_else()
    {
        await using TestServer server = await TestServer.StartAsync(new MemoryDevice(4096));

        await FailsAsync(ErrorIds.NbdTlsRefused, ConnectAsync(server, _authority.Client()));
    }

    [Fact]
    public async Task A_server_of_another_authority_host_or_time_is_not_believed()
    {
        using var other = new TestAuthority(_scratch["other"]);
        (string Folder, string Id)[] rows =
        [
            (other.Server(), ErrorIds.TlsCertificateUntrusted),
            (_authority.Server("example.org"), ErrorIds.TlsNameMismatch),
        ];
        foreach ((string folder, string id) in rows)
        {
            await using TestServer server = await StartAsync(folder, verifyPeer: false);
            await FailsAsync(id, ConnectAsync(server, _authority.Client()));

            await using NbdDevice careless = await NbdDevice.ConnectAsync(
                server.Uri with { Tls = new NbdTls { VerifyPeer = false } }, NbdClientOptions.Default, Token);
        }
    }

    [Fact]
    public async Task The_host_name_is_the_address_unless_another_is_asked_for()
    {
        var options = new NbdServerOptions
        {
            Listen = [new NbdAddress.Tcp("127.0.0.1", 0)],
            Tls = NbdTlsMode.Require,
            Credentials = TlsServerCredentials.FromFolder(_authority.Server("127.0.0.1"), verifyPeer: false),
        };
        await using NbdServer server = await NbdServer.StartAsync(options, [new NbdExport("disk", new MemoryDevice(4096))], Token);
        var tls = new NbdTls { Certificates = _authority.Nobody() };

        await using NbdDevice byAddress = await NbdDevice.ConnectAsync(server.Uri with { Tls = tls }, NbdClientOptions.Default, Token);
        await FailsAsync(ErrorIds.TlsNameMismatch, NbdDevice.ConnectAsync(
            server.Uri with { Tls = tls with { HostName = "example.org" } }, NbdClientOptions.Default, Token));
    }

    [Fact]
    public async Task A_client_without_a_good_certificate_does_not_get_in()
    {
        using var other = new TestAuthority(_scratch["other"]);
        string revoked = _authority.Client("CN=gone");
        string folder = _authority.Server();
        _authority.Revoke(revoked);
        _authority.WriteRevocations(folder);
        await using TestServer server = await StartAsync(folder);
        (string Folder, string Id)[] rows =
        [
            (_authority.Nobody(), ErrorIds.TlsCertificateMissing),
            (Forged(other), ErrorIds.TlsCertificateUntrusted),
            (revoked, ErrorIds.TlsCertificateRevoked),
            (AsClient(_authority.Server()), ErrorIds.TlsCertificateUntrusted),
        ];
        foreach ((string client, string id) in rows)
        {
            _faults.Clear();
            var refused = await Assert.ThrowsAnyAsync<VmCryptException>(() => ConnectAsync(server, client));
            Assert.Contains(refused.ErrorId, (string[])[ErrorIds.TlsHandshakeFailed, ErrorIds.NbdConnectionLost]);
            await NbdServerTests.UntilAsync(() => server.Server.Clients.Count == 0);
            Assert.Equal(id, Assert.IsAssignableFrom<VmCryptException>(Assert.Single(_faults)).ErrorId);
        }

        await using NbdDevice good = await ConnectAsync(server, _authority.Client("CN=stays"));
    }

    [Fact]
    public async Task A_revocation_list_that_is_out_of_date_lets_nobody_in()
    {
        string folder = _authority.Server();
        _authority.WriteRevocations(folder, hours: -1);
        await using TestServer server = await StartAsync(folder);

        await Assert.ThrowsAnyAsync<VmCryptException>(() => ConnectAsync(server, _authority.Client()));

        await NbdServerTests.UntilAsync(() => server.Server.Clients.Count == 0);
        Assert.Equal(ErrorIds.TlsCertificateRevoked, Assert.IsType<RefusedException>(Assert.Single(_faults)).ErrorId);
    }

    [Fact]
    public async Task Plain_bytes_behind_STARTTLS_end_the_connection()
    {
        await using TestServer server = await StartAsync(_authority.Server());
        using var client = RawClient.Connect(server.Server);

        client.Send([.. Wire.U32(3), .. Wire.Option(NbdOption.StartTls), .. Wire.Option(NbdOption.List)]);

        Assert.Equal(Wire.OptionReply(NbdOption.StartTls, NbdOptionReplyType.Ack), client.Read(NbdOptionReply.Size));
        Assert.True(client.IsHungUp());
        await NbdServerTests.UntilAsync(() => server.Server.Clients.Count == 0);
        Assert.Equal(ErrorIds.NbdTlsInjected, Assert.IsType<ProtocolException>(Assert.Single(_faults)).ErrorId);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Half_a_TLS_handshake_ends_with_the_time_of_a_whole_one(bool certificates)
    {
        await using TestServer server = await TestServer.StartAsync(new MemoryDevice(4096), options => options with
        {
            Tls = NbdTlsMode.Require,
            Credentials = certificates
                ? TlsServerCredentials.FromFolder(_authority.Server())
                : TlsServerCredentials.FromPskFile(_scratch.File("keys.psk", "alice:00112233445566778899aabbccddeeff"u8)),
            HandshakeTimeout = TimeSpan.FromSeconds(2),
        });
        using var client = RawClient.Connect(server.Server);
        client.Send([.. Wire.U32(3), .. Wire.Option(NbdOption.StartTls)]);
        Assert.Equal(Wire.OptionReply(NbdOption.StartTls, NbdOptionReplyType.Ack), client.Read(NbdOptionReply.Size));

        client.Send([0x16, 0x03, 0x01]);

        Assert.True(client.IsHungUp());
        await NbdServerTests.UntilAsync(() => server.Server.Clients.Count == 0);
    }

    [Fact]
    public async Task A_handshake_that_fails_as_nobody_foresaw_ends_its_client_alone()
    {
        using var broken = new Broken();
        await using TestServer server = await TestServer.StartAsync(new MemoryDevice(4096), options => options with { Tls = NbdTlsMode.On, Credentials = broken, OnFault = (_, fault) => _faults.Add(fault) });
        using var client = RawClient.Connect(server.Server);

        client.Send([.. Wire.U32(3), .. Wire.Option(NbdOption.StartTls)]);

        client.Read(NbdOptionReply.Size);
        Assert.True(client.IsHungUp());
        await NbdServerTests.UntilAsync(() => server.Server.Clients.Count == 0);
        Assert.IsType<InvalidOperationException>(Assert.Single(_faults));
        await using NbdDevice other = await server.ConnectAsync();
    }

    [Fact]
    public async Task An_address_that_others_can_reach_is_not_served_in_clear_unless_asked_for()
    {
        var open = new NbdServerOptions { Listen = [new NbdAddress.Tcp("0.0.0.0", 0)] };
        NbdExport[] exports = [new("disk", new MemoryDevice(4096))];
        using var credentials = TlsServerCredentials.FromFolder(_authority.Server());

        foreach (NbdServerOptions options in (NbdServerOptions[])[open, open with { Tls = NbdTlsMode.On, Credentials = credentials }, open with { Listen = [new NbdAddress.Tcp("::", 0)] }])
        {
            await FailsAsync(ErrorIds.NbdPlainRefused, NbdServer.StartAsync(options, exports, Token));
        }

        await (await NbdServer.StartAsync(open with { PlainForOthers = true }, exports, Token)).DisposeAsync();
        await (await NbdServer.StartAsync(open with { Tls = NbdTlsMode.Require, Credentials = credentials }, exports, Token)).DisposeAsync();
    }

    private static async Task FailsAsync(string errorId, Task task) =>
        Assert.Equal(errorId, (await Assert.ThrowsAnyAsync<VmCryptException>(() => task)).ErrorId);

    private static NbdUri With(TestServer server, string certificates) =>
        server.Uri with { Tls = new NbdTls { Certificates = certificates, HostName = "localhost" } };

    private static Task<NbdDevice> ConnectAsync(TestServer server, string certificates) =>
        NbdDevice.ConnectAsync(With(server, certificates), new NbdClientOptions { MaxConnections = 2 }, Token);

    /// <summary>A client of another authority that believes ours.</summary>
    private string Forged(TestAuthority other)
    {
        string folder = other.Client();
        File.Copy(Path.Combine(_authority.Nobody(), "ca-cert.pem"), Path.Combine(folder, "ca-cert.pem"), overwrite: true);
        return folder;
    }

    private static string AsClient(string serverFolder)
    {
        foreach (string what in (string[])["cert", "key"])
        {
            File.Move(Path.Combine(serverFolder, $"server-{what}.pem"), Path.Combine(serverFolder, $"client-{what}.pem"));
        }

        return serverFolder;
    }

    private Task<TestServer> StartAsync(string folder, NbdTlsMode mode = NbdTlsMode.Require, bool verifyPeer = true, MemoryDevice? disk = null) =>
        TestServer.StartAsync(disk ?? new MemoryDevice(65536), options => options with
        {
            Tls = mode,
            Credentials = TlsServerCredentials.FromFolder(folder, verifyPeer),
            OnFault = (_, fault) =>
            {
                lock (_faults)
                {
                    _faults.Add(fault);
                }
            },
        });

    private sealed class Broken : TlsServerCredentials
    {
        public override bool IdentifiesClients => false;

        internal override TlsSession Accept(Stream plain) => throw new InvalidOperationException("This is a mistake of ours.");
    }
}
