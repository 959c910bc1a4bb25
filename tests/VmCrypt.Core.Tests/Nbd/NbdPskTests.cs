using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Nbd.Authorization;
using VmCrypt.Core.Tests.Block.Nbd;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Nbd;

/// <summary>Our client on our server through TLS with shared keys.</summary>
public sealed class NbdPskTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly List<string> _faults = [];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task Many_requests_at_once_come_through_whole()
    {
        var disk = new MemoryDevice(8 << 20);
        await using TestServer server = await StartAsync(disk: disk);
        await using NbdDevice client = await ConnectAsync(server, "alice", '1');

        await Parallel.ForAsync(0, 32, Token, async (i, token) =>
        {
            byte[] mine = new byte[(256 << 10) - i];
            Array.Fill(mine, (byte)(i + 1));
            await client.WriteAsync(i * (256L << 10), mine, token);
            byte[] read = new byte[mine.Length];
            await client.ReadAsync(i * (256L << 10), read, token);
            Assert.Equal(mine, read);
        });

        Assert.All(server.Server.Clients, info => Assert.Equal("alice", info.Identity));
    }

    [Theory]
    [InlineData("alice", '2')]
    [InlineData("mallory", '1')]
    public async Task Another_key_and_a_stranger_look_the_same_and_do_not_get_in(string user, char key)
    {
        await using TestServer server = await StartAsync();

        Assert.Equal(ErrorIds.TlsHandshakeFailed, (await Assert.ThrowsAsync<ProtocolException>(() => ConnectAsync(server, user, key))).ErrorId);

        await NbdServerTests.UntilAsync(() => server.Server.Clients.Count == 0);
        Assert.Equal([ErrorIds.TlsHandshakeFailed], _faults);
    }

    [Fact]
    public async Task Rules_take_the_user_for_the_identity()
    {
        await using TestServer server = await StartAsync(NbdAuthorization.Identities(["alice"]));

        await using NbdDevice alice = await ConnectAsync(server, "alice", '1');
        await Assert.ThrowsAnyAsync<VmCryptException>(() => ConnectAsync(server, "bob", '3'));

        await NbdServerTests.UntilAsync(() => _faults.Count == 1);
        Assert.Equal([ErrorIds.NbdClientDenied], _faults);
    }

    [Fact]
    public async Task A_user_without_a_key_does_not_even_ask()
    {
        await using TestServer server = await StartAsync();

        var error = await Assert.ThrowsAsync<InvalidInputException>(() => NbdDevice.ConnectAsync(
            server.Uri with { Tls = new NbdTls { PskFile = KeyFile("alice", '1'), UserName = "bob" } }, NbdClientOptions.Default, Token));

        Assert.Equal(ErrorIds.TlsCredentialsInvalid, error.ErrorId);
        Assert.Empty(server.Server.Clients);
    }

    [Fact]
    public async Task A_client_with_certificates_and_a_server_with_keys_do_not_meet()
    {
        using var authority = new TestAuthority(_scratch.Folder);
        await using TestServer server = await StartAsync();

        var error = await Assert.ThrowsAnyAsync<VmCryptException>(() => NbdDevice.ConnectAsync(
            server.Uri with { Tls = new NbdTls { Certificates = authority.Client(), HostName = "localhost" } }, NbdClientOptions.Default, Token));

        Assert.Equal(ErrorIds.TlsHandshakeFailed, error.ErrorId);
    }

    [Fact]
    public async Task A_server_that_begins_no_handshake_is_waited_for_no_longer_than_asked()
    {
        await using var server = new FakeServer(async peer =>
        {
            await peer.SendAsync(Wire.Greeting);
            await peer.ReadAsync(4 + NbdOptionHeader.Size);
            await peer.SendAsync(Wire.OptionReply(NbdOption.StartTls, NbdOptionReplyType.Ack));
            await peer.Stopping;
        });
        NbdUri uri = server.Uri with { Tls = new NbdTls { PskFile = KeyFile("alice", '1'), UserName = "alice" } };

        Task<NbdDevice> connecting = NbdDevice.ConnectAsync(uri, new NbdClientOptions { ConnectTimeout = TimeSpan.FromMilliseconds(300) }, Token);

        var error = await Assert.ThrowsAsync<DeviceFaultException>(() => connecting.WaitAsync(TimeSpan.FromSeconds(20), Token));
        Assert.Equal(ErrorIds.NbdConnectFailed, error.ErrorId);
    }

    private Task<NbdDevice> ConnectAsync(TestServer server, string user, char key) => NbdDevice.ConnectAsync(
        server.Uri with { Tls = new NbdTls { PskFile = KeyFile(user, key), UserName = user } }, new NbdClientOptions { MaxConnections = 1 }, Token);

    private string KeyFile(string user, char key)
    {
        string path = _scratch[$"{Guid.NewGuid():N}.psk"];
        File.WriteAllText(path, $"{user}:{new string(key, 64)}\n");
        return path;
    }

    private Task<TestServer> StartAsync(NbdAuthorization? rules = null, MemoryDevice? disk = null)
    {
        File.WriteAllText(_scratch["keys.psk"], $"alice:{new string('1', 64)}\nbob:{new string('3', 64)}\n");
        return TestServer.StartAsync(disk ?? new MemoryDevice(65536), options => options with
        {
            Tls = NbdTlsMode.Require,
            Credentials = TlsServerCredentials.FromPskFile(_scratch["keys.psk"]),
            Authorization = rules,
            OnFault = (_, fault) =>
            {
                lock (_faults)
                {
                    _faults.Add((fault as VmCryptException)?.ErrorId ?? $"{fault}");
                }
            },
        });
    }
}
