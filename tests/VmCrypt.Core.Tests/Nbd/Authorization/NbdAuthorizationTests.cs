using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Errors;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Nbd.Authorization;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Core.Tests.Nbd.Authorization;

/// <summary>Rules on a server with TLS: who comes in, and who is put out while connected.</summary>
public sealed class NbdAuthorizationTests : IDisposable
{
    private static readonly TimeSpan s_never = TimeSpan.FromDays(1);

    private readonly Scratch _scratch = new();
    private readonly TestAuthority _authority;
    private readonly List<string> _faults = [];

    public NbdAuthorizationTests() => _authority = new TestAuthority(_scratch.Folder);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _authority.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    public async Task Only_those_who_are_allowed_come_in()
    {
        await using TestServer server = await StartAsync(NbdAuthorization.Identities(["CN=a", "O=Org,CN=b"]));

        await using NbdDevice a = await ConnectAsync(server, "CN=a");
        await using NbdDevice b = await ConnectAsync(server, "CN=b,O=Org");
        await Assert.ThrowsAnyAsync<VmCryptException>(() => ConnectAsync(server, "CN=c"));

        await NbdServerTests.UntilAsync(() => server.Server.Clients.Count == 2);
        Assert.Equal([ErrorIds.NbdClientDenied], _faults);
    }

    [Fact]
    public async Task A_client_that_is_taken_off_the_list_loses_its_connection_and_the_others_stay()
    {
        Write("a", "b");
        await using TestServer server = await StartAsync(NbdAuthorization.ListFile(_scratch["list"]));
        await using NbdDevice a = await ConnectAsync(server, "CN=a");
        await using NbdDevice b = await ConnectAsync(server, "CN=b");

        Write("b");
        server.Server.Revocation!.Look();
        await a.ReadAsync(0, new byte[512], Token);
        server.Server.Revocation.Look();

        await LosesAsync(a);
        await b.ReadAsync(0, new byte[512], Token);
        Assert.Equal([ErrorIds.NbdClientRevoked], _faults);
        await Assert.ThrowsAnyAsync<VmCryptException>(() => ConnectAsync(server, "CN=a"));
    }

    [Fact]
    public async Task The_server_looks_by_itself()
    {
        Write("a");
        await using TestServer server = await StartAsync(NbdAuthorization.ListFile(_scratch["list"]), TimeSpan.FromMilliseconds(10));
        await using NbdDevice a = await ConnectAsync(server, "CN=a");

        Write("b");

        await NbdServerTests.UntilAsync(() => server.Server.Clients.Count == 0);
        await LosesAsync(a);
    }

    [Fact]
    public async Task A_file_that_is_half_written_costs_nobody_the_disk_and_lets_nobody_in()
    {
        Write("a");
        await using TestServer server = await StartAsync(NbdAuthorization.ListFile(_scratch["list"]));
        await using NbdDevice a = await ConnectAsync(server, "CN=a");

        File.WriteAllText(_scratch["list"], string.Empty);
        server.Server.Revocation!.Look();
        await Assert.ThrowsAnyAsync<VmCryptException>(() => ConnectAsync(server, "CN=a"));
        Write("a", "b");
        server.Server.Revocation.Look();
        server.Server.Revocation.Look();
        await a.ReadAsync(0, new byte[512], Token);

        File.WriteAllText(_scratch["list"], "{");
        server.Server.Revocation.Look();
        server.Server.Revocation.Look();
        await LosesAsync(a);
    }

    [Fact]
    public async Task An_authorisation_without_proof_of_who_is_there_is_refused()
    {
        NbdAuthorization rules = NbdAuthorization.Identities(["CN=a"]);
        NbdTlsMode[] modes = [NbdTlsMode.Off, NbdTlsMode.On];
        foreach (NbdTlsMode mode in modes)
        {
            await RefusedAsync(() => StartAsync(rules, mode: mode));
        }

        await RefusedAsync(() => StartAsync(rules, verifyPeer: false));
    }

    private static async Task RefusedAsync(Func<Task> start) =>
        Assert.Equal(ErrorIds.InvalidParameter, (await Assert.ThrowsAsync<InvalidInputException>(start)).ErrorId);

    private static async Task LosesAsync(NbdDevice device) =>
        Assert.Equal(ErrorIds.NbdConnectionLost, (await Assert.ThrowsAsync<DeviceFaultException>(() => device.ReadAsync(0, new byte[512], Token).AsTask())).ErrorId);

    private void Write(params string[] names) => File.WriteAllText(
        _scratch["list"], $$"""{"rules":[{{string.Join(',', names.Select(name => $$"""{"match":"CN={{name}}","policy":"allow"}"""))}}]}""");

    private Task<NbdDevice> ConnectAsync(TestServer server, string subject) => NbdDevice.ConnectAsync(
        server.Uri with { Tls = new NbdTls { Certificates = _authority.Client(subject), HostName = "localhost" } }, new NbdClientOptions { MaxConnections = 1 }, Token);

    private Task<TestServer> StartAsync(NbdAuthorization rules, TimeSpan? interval = null, NbdTlsMode mode = NbdTlsMode.Require, bool verifyPeer = true) =>
        TestServer.StartAsync(new MemoryDevice(65536), options => options with
        {
            Tls = mode,
            Credentials = TlsServerCredentials.FromFolder(_authority.Server(), verifyPeer),
            Authorization = rules,
            AuthorizationInterval = interval ?? s_never,
            OnFault = (_, fault) =>
            {
                lock (_faults)
                {
                    _faults.Add((fault as VmCryptException)?.ErrorId ?? fault.GetType().Name);
                }
            },
        });
}
