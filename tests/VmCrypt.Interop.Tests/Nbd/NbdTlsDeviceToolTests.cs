using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Errors;

namespace VmCrypt.Interop.Tests.Nbd;

/// <summary>Our client with TLS on qemu-nbd and nbdkit, which bring GnuTLS.</summary>
public sealed class NbdTlsDeviceToolTests : IDisposable
{
    private const int Size = 4 << 20;

    private readonly Scratch _scratch = new();
    private readonly TestAuthority _authority;

    public NbdTlsDeviceToolTests() => _authority = new TestAuthority(_scratch.Folder);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _authority.Dispose();
        _scratch.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Bytes_come_through_whole(bool qemu)
    {
        using NbdPeer peer = await StartAsync(qemu, _authority.Server());
        await using NbdDevice device = await ConnectAsync(peer, _authority.Client());
        byte[] content = new byte[Size - 4096];
        new Random(1).NextBytes(content);

        await device.WriteAsync(512, content, Token);
        await device.FlushAsync(Token);
        byte[] read = new byte[content.Length];
        await device.ReadAsync(512, read, Token);

        Assert.Equal(content, read);
        Assert.NotEmpty(await NbdDevice.ListAsync(With(peer, _authority.Client()), Token));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_server_that_is_not_who_it_should_be_is_refused(bool qemu)
    {
        using var other = new TestAuthority(_scratch["other"]);
        string client = _authority.Client();
        (string Folder, string Id)[] rows = [(other.Server(), ErrorIds.TlsCertificateUntrusted), (_authority.Server("example.org"), ErrorIds.TlsNameMismatch)];
        foreach ((string folder, string id) in rows)
        {
            using NbdPeer peer = await StartAsync(qemu, folder);
            await FailsAsync([id], ConnectAsync(peer, client));
        }
    }

    [Fact]
    public async Task A_server_whose_certificate_is_over_or_revoked_is_refused()
    {
        string client = _authority.Client();
        string revoked = _authority.Server();
        _authority.Revoke(revoked);
        _authority.WriteRevocations(client);
        (string Folder, string Id)[] rows = [(_authority.Server(days: -1), ErrorIds.TlsCertificateExpired), (revoked, ErrorIds.TlsCertificateRevoked)];
        foreach ((string folder, string id) in rows)
        {
            using NbdPeer peer = await StartAsync(qemu: false, folder);
            await FailsAsync([id], ConnectAsync(peer, client));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_server_that_does_not_take_our_certificate_is_an_error_with_a_name(bool qemu)
    {
        using var other = new TestAuthority(_scratch["other"]);
        string forged = other.Client();
        File.Copy(Path.Combine(_authority.Nobody(), "ca-cert.pem"), Path.Combine(forged, "ca-cert.pem"), overwrite: true);
        using NbdPeer peer = await StartAsync(qemu, _authority.Server());

        await FailsAsync([ErrorIds.TlsHandshakeFailed, ErrorIds.NbdConnectionLost], ConnectAsync(peer, forged));
        await FailsAsync([ErrorIds.TlsHandshakeFailed, ErrorIds.NbdConnectionLost], ConnectAsync(peer, _authority.Nobody()));
    }

    [Fact]
    public async Task A_server_without_TLS_is_refused()
    {
        using NbdPeer plain = await NbdPeer.NbdkitAsync(_scratch, "memory", "1M");

        await FailsAsync([ErrorIds.NbdTlsRefused], ConnectAsync(plain, _authority.Client()));
    }

    private Task<NbdPeer> StartAsync(bool qemu, string folder)
    {
        string disk = _scratch.File($"disk-{Guid.NewGuid():N}", new byte[Size]);
        return qemu
            ? NbdPeer.QemuNbdAsync(_scratch, "--object", $"tls-creds-x509,id=tls,endpoint=server,dir={folder}", "--tls-creds=tls", "--format=raw", disk)
            : NbdPeer.NbdkitAsync(_scratch, "--tls=require", $"--tls-certificates={folder}", "--tls-verify-peer", "file", disk);
    }

    private static NbdUri With(NbdPeer peer, string certificates) => peer.Uri with { Tls = new NbdTls { Certificates = certificates, HostName = "localhost" } };

    private static Task<NbdDevice> ConnectAsync(NbdPeer peer, string certificates) => NbdDevice.ConnectAsync(With(peer, certificates), NbdClientOptions.Default, Token);

    private static async Task FailsAsync(string[] ids, Task task) =>
        Assert.Contains((await Assert.ThrowsAnyAsync<VmCryptException>(() => task.WaitAsync(TimeSpan.FromSeconds(20), Token))).ErrorId, ids);
}
