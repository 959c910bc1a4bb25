using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Nbd.Authorization;
using VmCrypt.Fuzz.Engine;

namespace VmCrypt.Fuzz.Targets;

/// <summary>What a peer says in a TLS handshake, to either side of both kinds; and what an administrator gives: rules, subjects, revocation lists, keys.</summary>
/// <remarks>The first byte says which.</remarks>
internal sealed class NbdTlsTarget : IFuzzTarget
{
    private readonly ScratchFolder _folder = new();
    private readonly Lazy<X509Certificate2> _authority;
    private readonly Lazy<TlsServerCredentials[]> _servers;

    public NbdTlsTarget()
    {
        _authority = new Lazy<X509Certificate2>(WriteFiles);
        _servers = new Lazy<TlsServerCredentials[]>(() => _authority.Value is { } _
            ? [TlsServerCredentials.FromFolder(_folder.Path), TlsServerCredentials.FromPskFile(_folder["keys.psk"])]
            : []);
    }

    public string Name => "nbd-tls";

    public IReadOnlyList<byte[]> Words { get; } = Text.Words(
        "\x16\x03\x01", "\x16\x03\x03", "\x15\x03\x03\0\x02\x02", "\x14\x03\x03\0\x01\x01", "\x17\x03\x03", "\xcc\xac", "\0\xab", "\x13\x01", "alice",
        "{\"policy\":\"deny\",\"rules\":[", "{\"match\":\"CN=*\",\"policy\":\"allow\",\"format\":\"glob\"}", "]}", "\x06\x03\x55\x04\x03\x0c", "\x30\x82", "\x17\x0d", ":00112233445566778899aabbccddeeff\n");

    public void Run(ReadOnlySpan<byte> input, Trace trace)
    {
        if (input.IsEmpty)
        {
            return;
        }

        byte[] said = input[1..].ToArray();
        switch (input[0] % 8)
        {
            case 0 or 1:
                trace.Note($"{_servers.Value[input[0] % 2].Accept(new Monologue(said)).Identity}");
                break;
            case 2 or 3:
                Sync.Wait(ConnectAsync(said, keys: input[0] % 8 == 3));
                break;
            case 4:
                Expect<JsonException>(() => trace.Note($"allowed {AuthorizationList.Parse(said).Allows("C=GB,O=Example,CN=web01")}"));
                break;
            case 5:
                Expect<CryptographicException>(() => trace.Note("subject", DistinguishedName.ToText(new X500DistinguishedName(said)).Length));
                break;
            case 6:
                Expect<CryptographicException>(() => trace.Note("revoked", RevocationList.Parse(said, [_authority.Value]).NextUpdate?.Year ?? 0));
                break;
            default:
                File.WriteAllBytes(_folder["fuzz.psk"], said);
                using (PskFile keys = PskFile.Load(_folder["fuzz.psk"]))
                {
                    trace.Note($"key {keys.Find("alice")?.Length}");
                }

                break;
        }
    }

    private async Task ConnectAsync(byte[] said, bool keys)
    {
        NbdTls tls = _authority.Value is { } _ && keys
            ? new NbdTls { PskFile = _folder["keys.psk"], UserName = "alice" }
            : new NbdTls { Certificates = _folder.Path, HostName = "localhost" };
        using TlsClientCredentials credentials = TlsClientCredentials.Load(tls, new NbdAddress.Tcp("localhost"));
        await credentials.ConnectAsync(new Monologue(said), default);
    }

    private static void Expect<T>(Action parse)
        where T : Exception
    {
        try
        {
            parse();
        }
        catch (T)
        {
            // The callers turn it into an error with an id.
        }
    }

    private X509Certificate2 WriteFiles()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        X509Certificate2 own = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddYears(1));
        foreach (string name in (string[])["ca", "server", "client"])
        {
            File.WriteAllText(_folder[$"{name}-cert.pem"], own.ExportCertificatePem());
            File.WriteAllText(_folder[$"{name}-key.pem"], key.ExportPkcs8PrivateKeyPem());
        }

        File.WriteAllText(_folder["keys.psk"], "alice:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
        return own;
    }

    /// <summary>A peer who says what it says, whatever it hears.</summary>
    private sealed class Monologue(byte[] said) : Stream
    {
        private int _at;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count)
        {
            int taken = Math.Min(count, said.Length - _at);
            said.AsSpan(_at, taken).CopyTo(buffer.AsSpan(offset));
            _at += taken;
            return taken;
        }

        public override void Write(byte[] buffer, int offset, int count)
        {
            // Nobody listens.
        }

        public override void Flush()
        {
            // Nobody listens.
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
