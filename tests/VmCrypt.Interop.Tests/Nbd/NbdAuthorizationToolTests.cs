using System.Text.Json;
using VmCrypt.Core.Block;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Nbd.Authorization;
using VmCrypt.Core.Qemu;

namespace VmCrypt.Interop.Tests.Nbd;

/// <summary>The same rules on qemu-nbd and on our server, asked by the same clients: the same verdicts.</summary>
public sealed class NbdAuthorizationToolTests : IDisposable
{
    private static readonly string[] s_subjects =
    [
        "CN=web01,O=Example,C=GB",
        "CN=web02,O=Example,C=GB",
        "CN=\"comma, plus+ and \"\"quote\"\"\",O=Example",
        "CN=Jürgen,OU=ä",
        "E=root@example.org,CN=mail,DC=example,DC=org",
    ];

    private readonly Scratch _scratch = new();
    private readonly TestAuthority _authority;
    private readonly string[] _clients;

    public NbdAuthorizationToolTests()
    {
        _authority = new TestAuthority(_scratch.Folder);
        _clients = [.. s_subjects.Select(subject => _authority.Client(subject))];
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, string> Rules() => new()
    {
        { """{"policy":"deny","rules":[]}""", "-----" },
        { """{"policy":"allow"}""", "+++++" },
        { """{"rules":[{"match":"C=GB,O=Example,CN=web01","policy":"allow"}]}""", "+----" },
        { """{"rules":[{"match":"CN=web01,O=Example,C=GB","policy":"allow"}]}""", "-----" },
        { """{"policy":"allow","rules":[{"match":"C=GB,O=Example,CN=web0?","policy":"deny","format":"glob"}]}""", "--+++" },
        { """{"rules":[{"match":"*,CN=web02","policy":"deny","format":"glob"},{"match":"C=GB,*","policy":"allow","format":"glob"}]}""", "+----" },
        { """{"rules":[{"match":"O=Example,CN=comma\\, plus\\+ and \\\"quote\\\"","policy":"allow"}]}""", "--+--" },
        { """{"rules":[{"match":"OU=ä,CN=J?rgen","policy":"allow","format":"glob"}]}""", "---+-" },
        { """{"rules":[{"match":"DC=#13036f7267,DC=#13076578616d706c65,CN=mail,EMAIL=root@example.org","policy":"allow"}]}""", "----+" },
    };

    public void Dispose()
    {
        _authority.Dispose();
        _scratch.Dispose();
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public async Task The_verdicts_are_the_same(string list, string expected)
    {
        Assert.Equal(expected, await OfQemuAsync(list));
        Assert.Equal(expected, await OfOursAsync(NbdAuthorization.ListFile(_scratch.File("list", System.Text.Encoding.UTF8.GetBytes(list)))));
    }

    [Fact]
    public async Task A_simple_identity_is_the_subject_as_QEMU_has_it()
    {
        const string Identity = "O=Example,CN=comma\\, plus\\+ and \\\"quote\\\"";
        using NbdPeer peer = await QemuNbdAsync(QemuObjects.AuthzSimple("authz", Identity).Argument);

        Assert.Equal("--+--", Verdicts($"{peer.Uri with { Tls = new NbdTls() }}"));
        Assert.Equal("--+--", await OfOursAsync(NbdAuthorization.Identities([Identity])));
    }

    [Fact]
    public async Task A_PAM_service_is_asked_with_the_identity_as_the_user()
    {
        Tools.Require("nbdinfo");
        string service = $"vmcrypt-test-{Guid.NewGuid():N}";
        string file = $"/etc/pam.d/{service}";
        Assert.SkipUnless(Environment.UserName == "root", "only root may add a PAM service");
        string users = _scratch.File("users", "C=GB,O=Example,CN=web02\n"u8);
        try
        {
            File.WriteAllText(file, $"account required pam_listfile.so item=user sense=allow file={users} onerr=fail\n");

            Assert.Equal("-+---", await OfOursAsync(NbdAuthorization.Pam(service)));

            File.WriteAllText(file, "account required pam_deny.so\n");
            Assert.Equal("-----", await OfOursAsync(NbdAuthorization.Pam(service)));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task A_copy_that_runs_ends_when_its_client_is_taken_off_the_list()
    {
        Tools.Require("nbdcopy");
        await using FileDevice disk = await FileDevice.CreateAsync(_scratch["disk"], new FileCreateOptions { Length = 1L << 40 }, Token);
        string list = _scratch.File("list", """{"policy":"allow"}"""u8);
        await using NbdServer server = await StartAsync(NbdAuthorization.ListFile(list), disk);

        // A terabyte of holes: it would take minutes.
        Task<(int ExitCode, string, string)> copy = Task.Run(
            () => Tools.TryRun("nbdcopy", "--no-extents", $"{server.Uri}?tls-certificates={_clients[0]}".Replace("127.0.0.1", "localhost", StringComparison.Ordinal), "null:"), Token);
        Assert.True(SpinWait.SpinUntil(() => server.Statistics.Requests > 100, TimeSpan.FromSeconds(20)));
        File.WriteAllText(list, """{"policy":"deny"}""");

        Assert.NotEqual(0, (await copy.WaitAsync(TimeSpan.FromSeconds(20), Token)).ExitCode);
    }

    private async Task<string> OfQemuAsync(string list)
    {
        using JsonDocument parsed = JsonDocument.Parse(list);
        string json = "{\"qom-type\":\"authz-list\",\"id\":\"authz\"" + string.Concat(parsed.RootElement.EnumerateObject().Select(property => $",\"{property.Name}\":{property.Value.GetRawText()}")) + "}";
        using NbdPeer peer = await QemuNbdAsync(json);
        return Verdicts($"{peer.Uri with { Tls = new NbdTls() }}");
    }

    private Task<NbdPeer> QemuNbdAsync(string authorization) => NbdPeer.QemuNbdAsync(
        _scratch, "--object", $"tls-creds-x509,id=tls,endpoint=server,verify-peer=yes,dir={_authority.Server()}", "--object", authorization,
        "--tls-creds=tls", "--tls-authz=authz", "--export-name=disk", "--format=raw", _scratch.File("disk", new byte[4096]));

    private async Task<string> OfOursAsync(NbdAuthorization authorization)
    {
        await using NbdServer server = await StartAsync(authorization);
        return Verdicts($"{server.Uri}");
    }

    private async Task<NbdServer> StartAsync(NbdAuthorization authorization, IBlockDevice? disk = null)
    {
        var options = new NbdServerOptions
        {
            Listen = [new NbdAddress.Tcp("127.0.0.1", 0)],
            Tls = NbdTlsMode.Require,
            Credentials = TlsServerCredentials.FromFolder(_authority.Server()),
            Authorization = authorization,
            AuthorizationInterval = TimeSpan.FromMilliseconds(20),
        };
        return await NbdServer.StartAsync(options, [new NbdExport("disk", disk ?? new MemoryDevice(1 << 20))], Token);
    }

    /// <summary>A plus for each client that is let in.</summary>
    private string Verdicts(string uri)
    {
        uri = uri.Replace("127.0.0.1", "localhost", StringComparison.Ordinal).Replace("///?", "///disk?", StringComparison.Ordinal);
        return string.Concat(_clients.Select(client =>
            Tools.TryRun("nbdinfo", "--size", $"{uri}{(uri.Contains('?', StringComparison.Ordinal) ? '&' : '?')}tls-certificates={client}").ExitCode == 0 ? '+' : '-'));
    }
}
