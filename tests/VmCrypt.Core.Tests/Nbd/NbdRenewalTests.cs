using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Nbd;

/// <summary>Certificates and shared keys that are renewed while the server runs.</summary>
public sealed class NbdRenewalTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly TestAuthority _authority;
    private readonly List<Exception> _faults = [];

    public NbdRenewalTests() => _authority = new TestAuthority(_scratch.Folder);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _authority.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    public async Task Certificates_of_another_authority_count_for_the_next_client_and_those_who_are_in_stay()
    {
        using var successor = new TestAuthority(_scratch["successor"], "CN=Successor");
        string folder = _authority.Server();
        await using TestServer server = await StartAsync(TlsServerCredentials.FromFolder(folder));
        await using NbdDevice early = await ConnectAsync(server, _authority.Client());

        Replace(folder, successor.Server());

        await using NbdDevice late = await ConnectAsync(server, successor.Client());
        await FailsAsync(ErrorIds.TlsCertificateUntrusted, ConnectAsync(server, _authority.Client()));
        await early.ReadAsync(0, new byte[512], Token);
        Assert.DoesNotContain(_faults, fault => fault is VmCryptException { ErrorId: ErrorIds.TlsCredentialsInvalid });
    }

    [Fact]
    public async Task A_revocation_list_that_appears_counts_for_the_next_client()
    {
        string folder = _authority.Server();
        string client = _authority.Client();
        await using TestServer server = await StartAsync(TlsServerCredentials.FromFolder(folder));
        await using NbdDevice early = await ConnectAsync(server, client);

        _authority.Revoke(client);
        _authority.WriteRevocations(folder);

        await Assert.ThrowsAnyAsync<VmCryptException>(async () => await ConnectAsync(server, client));
        await using NbdDevice other = await ConnectAsync(server, _authority.Client("CN=other"));
    }

    [Fact]
    public async Task A_revocation_list_that_is_gone_still_counts_and_that_is_said()
    {
        string folder = _authority.Server();
        string client = _authority.Client();
        _authority.Revoke(client);
        _authority.WriteRevocations(folder);
        await using TestServer server = await StartAsync(TlsServerCredentials.FromFolder(folder));

        // As somebody replaces it who deletes the old one first.
        File.Delete(Path.Combine(folder, "ca-crl.pem"));

        await Assert.ThrowsAnyAsync<VmCryptException>(async () => await ConnectAsync(server, client));
        Assert.Single(_faults, fault => fault is InvalidInputException { ErrorId: ErrorIds.TlsCredentialsInvalid });
        _authority.WriteRevocations(folder);
        await using NbdDevice other = await ConnectAsync(server, _authority.Client("CN=other"));
    }

    [Fact]
    public void What_changes_while_it_is_read_is_read_once_more()
    {
        string file = _scratch.File("keys", "one"u8);
        var loaded = new List<Named>();
        using var credentials = new RenewedCredentials([file], () =>
        {
            loaded.Add(new Named(File.ReadAllText(file)));
            File.WriteAllText(file, loaded.Count == 2 ? "three" : loaded[^1].Name);
            return loaded[^1];
        });
        File.WriteAllText(file, "two");

        credentials.Accept(Stream.Null);
        credentials.Accept(Stream.Null);

        Assert.Equal(["one", "two", "three"], loaded.Select(read => read.Name));
        Assert.Equal([1, 0, 1], loaded.Select(read => read.Accepted));
        Assert.Equal([true, true, false], loaded.Select(read => read.IsDisposed));
    }

    [Fact]
    public async Task What_cannot_be_read_leaves_the_old_in_use_is_said_once_and_tried_again()
    {
        string folder = _authority.Server();
        string next = _authority.Server();
        await using TestServer server = await StartAsync(TlsServerCredentials.FromFolder(folder));

        // Half of a renewal: the certificate is new, and the key beside it old.
        File.Copy(Path.Combine(next, "server-cert.pem"), Path.Combine(folder, "server-cert.pem"), overwrite: true);
        for (int i = 0; i < 2; i++)
        {
            await using NbdDevice client = await ConnectAsync(server, _authority.Client());
        }

        Assert.Equal(ErrorIds.TlsCredentialsInvalid, Assert.IsType<InvalidInputException>(Assert.Single(_faults)).ErrorId);

        using var successor = new TestAuthority(_scratch["successor"], "CN=Successor");
        Replace(folder, successor.Server());
        await using NbdDevice late = await ConnectAsync(server, successor.Client());
        Assert.Single(_faults);
    }

    [Fact]
    public async Task Shared_keys_are_read_again_too()
    {
        string keys = _scratch.File("keys.psk", "web01:000102030405060708090a0b0c0d0e0f\n"u8);
        await using TestServer server = await StartAsync(TlsServerCredentials.FromPskFile(keys));

        string late = _scratch.File("late.psk", "web02:101112131415161718191a1b1c1d1e1f\n"u8);
        File.AppendAllText(keys, File.ReadAllText(late));

        await using NbdDevice client = await NbdDevice.ConnectAsync(
            server.Uri with { Tls = new NbdTls { PskFile = late, UserName = "web02" } }, NbdClientOptions.Default, Token);
    }

    private static void Replace(string folder, string by)
    {
        foreach (string file in Directory.GetFiles(by))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)), overwrite: true);
        }
    }

    private Task<TestServer> StartAsync(TlsServerCredentials credentials) => TestServer.StartAsync(new MemoryDevice(4096), options => options with
    {
        Tls = NbdTlsMode.Require,
        Credentials = credentials,
        OnFault = (_, fault) =>
        {
            lock (_faults)
            {
                _faults.Add(fault);
            }
        },
    });

    private static Task<NbdDevice> ConnectAsync(TestServer server, string certificates) => NbdDevice.ConnectAsync(
        server.Uri with { Tls = new NbdTls { Certificates = certificates, HostName = "localhost" } }, new NbdClientOptions { MaxConnections = 1 }, Token);

    private static async Task FailsAsync<T>(string id, Task<T> connecting) => Assert.Equal(id, (await Assert.ThrowsAnyAsync<VmCryptException>(() => connecting)).ErrorId);

    private sealed class Named(string name) : TlsServerCredentials
    {
        public string Name => name;

        public int Accepted { get; private set; }

        public bool IsDisposed { get; private set; }

        public override bool IdentifiesClients => false;

        internal override TlsSession Accept(Stream plain)
        {
            Accepted++;
            return new TlsSession(plain, null);
        }

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }
}
