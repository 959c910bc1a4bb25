using System.Diagnostics;
using System.Net.Sockets;
using VmCrypt.Core.Block.Nbd;

namespace VmCrypt.Interop.Tests.Nbd;

/// <summary>Somebody else's NBD server on a Unix socket, until it is disposed or killed.</summary>
internal sealed class NbdPeer : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    private readonly Process _process;

    private NbdPeer(Process process, NbdUri uri)
    {
        _process = process;
        Uri = uri;
    }

    public NbdUri Uri { get; }

    /// <summary>qemu-nbd for several clients, which stays when they leave.</summary>
    public static Task<NbdPeer> QemuNbdAsync(Scratch scratch, params string[] arguments) =>
        StartAsync(scratch, "qemu-nbd", socket => ["--socket", socket, "--persistent", "--shared=16", .. arguments]);

    /// <summary>nbdkit with a plugin and filters.</summary>
    public static Task<NbdPeer> NbdkitAsync(Scratch scratch, params string[] arguments) =>
        StartAsync(scratch, "nbdkit", socket => ["--foreground", "--unix", socket, .. arguments]);

    public Task<NbdDevice> ConnectAsync(NbdClientOptions? options = null) =>
        NbdDevice.ConnectAsync(Uri, options ?? NbdClientOptions.Default, TestContext.Current.CancellationToken);

    /// <summary>As if its machine had lost power.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        Kill();
        _process.Dispose();
    }

    private static async Task<NbdPeer> StartAsync(Scratch scratch, string tool, Func<string, string[]> arguments)
    {
        Tools.Require(tool);
        string socket = scratch[$"{Guid.NewGuid():N}"[..8]];
        // Its complaints about clients that break off are expected; nobody reads them.
        var start = new ProcessStartInfo(tool, arguments(socket)) { UseShellExecute = false, RedirectStandardError = true, RedirectStandardOutput = true };
        Process process = Process.Start(start)!;
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        var peer = new NbdPeer(process, new NbdUri(new NbdAddress.Unix(socket)));
        for (var waited = Stopwatch.StartNew(); !Listens(socket); await Task.Delay(20, TestContext.Current.CancellationToken))
        {
            if (process.HasExited || waited.Elapsed > s_patience)
            {
                peer.Dispose();
                Assert.Fail($"{tool} {string.Join(' ', start.ArgumentList)} does not serve");
            }
        }

        return peer;
    }

    private static bool Listens(string path)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
