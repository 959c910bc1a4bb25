using System.Net.Sockets;
using VmCrypt.Core.Block.Local;
using VmCrypt.Core.Block.Nbd;
using VmCrypt.Core.Block.Nbd.Tls;
using VmCrypt.Core.Nbd;
using VmCrypt.Core.Tests.Support;

namespace VmCrypt.Bench;

/// <summary>Our server with TLS against qemu-nbd with TLS: the same client (libnbd, GnuTLS), certificates and twins of one raw disk.</summary>
internal sealed class NbdTlsBench : IBench, IDisposable
{
    private const long Size = 512L << 20;
    private const int Handshakes = 200;
    private const int Silent = 1000;

    private readonly BenchFolder _folder = new();

    public string Name => "nbd-tls";

    public IEnumerable<Figure> Run()
    {
        _folder.FillAsync("ours.raw", Size).GetAwaiter().GetResult();
        File.Copy(_folder["ours.raw"], _folder["peer.raw"]);
        using var authority = new TestAuthority(Path.GetDirectoryName(_folder["ours.raw"])!);
        string server = authority.Server();
        string client = authority.Client();
        File.WriteAllText(_folder["keys.psk"], $"alice:{new string('1', 64)}\n");
        string psk = Path.GetDirectoryName(_folder["keys.psk"])!;
        foreach (Figure figure in Side(
            "x509", TlsServerCredentials.FromFolder(server), $"tls-creds-x509,id=tls,endpoint=server,dir={server}", new NbdTls { Certificates = client, HostName = "localhost" }))
        {
            yield return figure;
        }

        foreach (Figure figure in Side(
            "psk", TlsServerCredentials.FromPskFile(_folder["keys.psk"]), $"tls-creds-psk,id=tls,endpoint=server,dir={psk}", new NbdTls { PskFile = _folder["keys.psk"], UserName = "alice" }))
        {
            yield return figure;
        }
    }

    public void Dispose() => _folder.Dispose();

    private IEnumerable<Figure> Side(string name, TlsServerCredentials credentials, string peerObject, NbdTls tls)
    {
        using QemuNbd? peer = QemuNbd.Start(_folder[$"peer-{name}"], ["--object", peerObject, "--tls-creds=tls", "--format=raw", _folder["peer.raw"]]);
        FileDevice disk = FileDevice.OpenAsync(_folder["ours.raw"], LocalDiskOptions.ReadWrite, default).AsTask().GetAwaiter().GetResult();
        var options = new NbdServerOptions { Listen = [new NbdAddress.Unix(_folder[$"ours-{name}"])], Tls = NbdTlsMode.Require, Credentials = credentials };
        NbdServer server = NbdServer.StartAsync(options, [new NbdExport(string.Empty, disk)], default).GetAwaiter().GetResult();
        NbdUri ours = server.Uri with { Tls = tls };
        NbdUri? theirs = peer is null ? null : NbdUri.Parse(peer.Uri) with { Tls = tls };
        try
        {
            foreach (string connections in (string[])["4", "1"])
            {
                yield return Copy($"nbd {name} read, {connections} connections", ours, theirs, uri => ["nbdcopy", $"--connections={connections}", uri, "null:"]);
                yield return Copy($"nbd {name} write, {connections} connections", ours, theirs, uri => ["nbdcopy", $"--connections={connections}", _folder["ours.raw"], uri]);
            }

            yield return Race.Run(
                $"nbd {name} handshakes", "1/s", Handshakes, "qemu-nbd, our client", () => Connect(ours), () => theirs is null ? null : Timed(() => Connect(theirs)), goal: null);
            yield return Race.Run(
                $"nbd {name} read, {Silent} silent clients meanwhile", "MB/s", Size / 1e6, "-", () => CopyAmongSilent(ours), () => null, goal: null);
        }
        finally
        {
            server.DisposeAsync().AsTask().GetAwaiter().GetResult();
            disk.DisposeAsync().AsTask().GetAwaiter().GetResult();
            credentials.Dispose();
        }
    }

    // libnbd does not check the host of a Unix socket, and knows no parameter for it.
    private static string Text(NbdUri uri) => $"{uri with { Tls = uri.Tls! with { HostName = null } }}";

    private static Figure Copy(string job, NbdUri ours, NbdUri? theirs, Func<string, string[]> command) => Race.Run(
        job, "MB/s", Size / 1e6, "qemu-nbd, nbdcopy",
        () => _ = Peer.Run(command(Text(ours))[0], command(Text(ours))[1..]) ?? throw new InvalidOperationException($"{string.Join(' ', command(Text(ours)))} failed."),
        () => theirs is null ? null : Peer.Run(command(Text(theirs))[0], command(Text(theirs))[1..])?.Elapsed, goal: null);

    private static void Connect(NbdUri uri) => Parallel.ForAsync(0, Handshakes, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (_, token) =>
    {
        await using NbdDevice device = await NbdDevice.ConnectAsync(uri, new NbdClientOptions { MaxConnections = 1 }, token);
    }).GetAwaiter().GetResult();

    private static TimeSpan Timed(Action action)
    {
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        action();
        return System.Diagnostics.Stopwatch.GetElapsedTime(start);
    }

    /// <summary>A thousand clients connect within about a second and say nothing; they are there until the copy is done.</summary>
    private static void CopyAmongSilent(NbdUri uri)
    {
        Socket[] silent = [.. Enumerable.Range(0, Silent).Select(_ => new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))];
        var path = new UnixDomainSocketEndPoint(((NbdAddress.Unix)uri.Address).Path);
        Task flood = Task.Run(() => Array.ForEach(silent, socket => socket.Connect(path)));
        _ = Peer.Run("nbdcopy", Text(uri), "null:") ?? throw new InvalidOperationException("nbdcopy failed among silent clients.");
        flood.GetAwaiter().GetResult();
        Array.ForEach(silent, socket => socket.Dispose());
    }
}
